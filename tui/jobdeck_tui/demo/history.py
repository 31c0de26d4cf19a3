"""The ten minutes before the demo started: jobs that have ended, so that every chart is full at once."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import cache
from heapq import heapify, heapreplace
from random import Random
from traceback import format_exception
from typing import Any, NoReturn

from jobdeck import Outcome, PastAttempt, PastJob, record

from . import kinds
from .schedules import SCHEDULES
from .traffic import JobSpec, random_job

SECONDS = 600.0
"""The length of the history."""
KEPT = 1000
"""The number of its jobs of each state that have rows; the older ones are counted only, as after pruning."""
WORKERS = (("web-1:4021:9f2c1a", 6), ("web-2:4107:03be77", 4))
"""Its workers, and their threads."""
_STEP = 0.5
_MINUTE = 60
_RUSH = (20, 90)
"""The jobs that arrive at once in each minute, just before it is full: depths are sampled then."""
_BURSTS = {2: 150, 4: 190, 7: 170, 9: 200}
"""Minute of the history → the jobs of a burst in it."""


def _fail_payment(_: str) -> NoReturn:
    kinds.fail_payment()


@record
class _Habits:
    """The ends of the jobs of a kind."""

    queue: str
    weight: int
    took: float
    """Seconds at the median."""
    fails: float = 0.0
    """The share of attempts that fail."""
    errors: tuple[tuple[Callable[[str], NoReturn], str], ...] = ()
    """The functions with which its handler fails, and what they are given."""
    max_attempts: int = 3
    priority: int = 0


_HABITS = {
    "mail.send_receipt": _Habits("mail", 30, 0.06, 0.05, ((kinds.lose_connection, "DATA"),), 5, 5),
    "webhook.post": _Habits(
        "webhook",
        24,
        0.07,
        0.06,
        (
            (kinds.time_out, "api.globex.example"),
            (kinds.reset_connection, "hooks.acme.example:443"),
            (kinds.refuse_connection, "legacy.hooli.example"),
        ),
        3,
        3,
    ),
    "img.resize": _Habits("media", 16, 0.1, 0.01, ((kinds.reject_image, "uploads/12/IMG_3310-truncated.jpg"),), 2),
    "search.index": _Habits("search", 12, 0.03, 0.03, ((kinds.reset_connection, "search-2.example.org:9200"),), 5),
    "billing.charge": _Habits("default", 10, 0.09, 0.05, ((_fail_payment, ""),), 7, 10),
    "mail.newsletter": _Habits("mail", 8, 0.05, 0.02, ((kinds.lose_connection, "RCPT TO"),), 3, -5),
    "price.fetch": _Habits("default", 3, 0.3, 0.02, ((kinds.time_out, "quotes.example.net"),), 4),
    "report.daily": _Habits("default", 0, 2.4),
}
_HOPELESS = (kinds.reject_image, kinds.refuse_connection)
"""Errors that no retry helps against: each attempt fails in the same way."""


@cache
def _failure(fail: Callable[[str], NoReturn], about: str) -> tuple[str, str, str]:
    """Return exception, message and traceback of a real failure."""
    try:
        fail(about)
    except Exception as error:
        return type(error).__name__, str(error), "".join(format_exception(error))


def past_jobs(now: float, seed: int = 7) -> Sequence[PastJob]:
    """Return the jobs that ended in the `SECONDS` before `now`, in the order of their creation."""
    return _Past(now, seed).jobs()


class _Past:
    def __init__(self, now: float, seed: int) -> None:
        self._now = now
        self._random = Random(f"history {seed}")
        self._threads = [(now - SECONDS, name) for name, threads in WORKERS for _ in range(threads)]
        heapify(self._threads)

    def jobs(self) -> Sequence[PastJob]:
        """Let the workers run everything that arrives, in order."""
        random, now = self._random, self._now
        names, weights = [*_HABITS], [each.weight for each in _HABITS.values()]
        arrivals: list[tuple[float, str, Any]] = []
        owed = 0.0
        for step in range(int(SECONDS / _STEP)):
            at = step * _STEP
            owed += _STEP * _rate(at) * random.uniform(0.7, 1.3)
            arrivals += [(at + random.random() * _STEP, kind, None) for kind in random.choices(names, weights, k=int(owed))]
            owed -= int(owed)
        first_minute = -(now - SECONDS) % _MINUTE
        for minute, at in enumerate(_range(first_minute, SECONDS - 2, _MINUTE)):
            kind = random.choice(("mail.newsletter", "img.resize", "webhook.post"))
            arrivals += [(at + random.uniform(-0.3, 0.3), kind, None) for _ in range(random.randint(*_RUSH))]
            arrivals += [(at + random.uniform(-0.5, 1.0), kind, None) for _ in range(_BURSTS.get(minute, 0))]
        ticks = [(each.every, each) for each in SCHEDULES]
        for every, schedule in ticks:
            first = every - (now - SECONDS) % every
            arrivals += [(at, schedule.kind, schedule) for at in _range(first, SECONDS, every)]
        arrivals.sort(key=lambda each: each[0])
        begin = now - SECONDS
        first_kept = len(arrivals) - KEPT
        done = []
        for number, (at, kind, schedule) in enumerate(arrivals):
            job = self._run(begin + at, kind, schedule, with_args=number >= first_kept)
            if job is not None:
                done.append(job)
        return done

    def _run(self, created: float, kind: str, schedule: Any, *, with_args: bool) -> PastJob | None:
        random = self._random
        habits = _HABITS[kind]
        attempts: list[PastAttempt] = []
        cause: tuple[Callable[[str], NoReturn], str] | None = None
        due = created
        for number in range(1, habits.max_attempts + 1):
            free, worker = self._threads[0]
            started = max(due + 0.004, free)
            finished = started + habits.took * math.exp(random.gauss(0, 0.6))
            if finished >= self._now - 0.05:
                return None  # its end is not history yet
            heapreplace(self._threads, (finished, worker))
            if cause is None and not (habits.errors and random.random() < habits.fails):
                attempts.append(PastAttempt(due_at=due, started_at=started, finished_at=finished, worker=worker))
                break
            fail, about = cause or random.choice(habits.errors)
            cause = (fail, about) if fail in _HOPELESS else None
            error_type, message, traceback = _failure(fail, about)
            attempts.append(
                PastAttempt(
                    due_at=due,
                    started_at=started,
                    finished_at=finished,
                    worker=worker,
                    outcome=Outcome.FAILED,
                    error_type=error_type,
                    message=message,
                    traceback=traceback,
                )
            )
            due = finished + random.uniform(0.5, 2.0**number)
            if due > self._now - 2:
                return None
        with_args = with_args or attempts[-1].outcome is not Outcome.COMPLETED
        spec = JobSpec(kind, {}) if not with_args else _spec(kind, schedule, random)
        return PastJob(
            kind=kind,
            args_json=json.dumps(spec.args) if spec.args else "{}",
            queue=habits.queue,
            created_at=created,
            attempts=tuple(attempts),
            priority=habits.priority,
            max_attempts=habits.max_attempts,
            tags=(f"schedule:{schedule.name}",) if schedule is not None else tuple(spec.options.get("tags", ())),
            result_json='{"ok": true}' if with_args and attempts[-1].outcome is Outcome.COMPLETED else None,
        )


def _spec(kind: str, schedule: Any, random: Random) -> JobSpec:
    return random_job(kind, random) if schedule is None else JobSpec(kind, schedule.args)


def _range(first: float, end: float, step: float) -> list[float]:
    return [first + n * step for n in range(int((end - first) / step) + 1)]


def _rate(at: float) -> float:
    """Return the jobs a second, `at` seconds after the start of the history: a morning that gets busier, in waves."""
    return 3 + 7 * (at / SECONDS) ** 2 + 2 * math.sin(at * math.tau / 97) + math.sin(at * math.tau / 31)
