"""Writes jobs that have ended elsewhere: their rows and attempts, and what the charts count of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random

from ..json_functions import json
from ..model.jobs import Outcome, Reason
from ..model.past_jobs import PastAttempt, PastJob
from ..model.states import State
from .backend import Backend, retried
from .counters import CounterDeltas
from .metrics.depth_samples import MINUTE
from .records import NO_TAGS, REASON_OF_OUTCOME, Row, one_line, replace_surrogates
from .row_rules import RULES
from .transfer import TABLES, Table, Transfer

_BY_NAME = {table.name: table for table in TABLES}
_JOBS, _ATTEMPTS = _BY_NAME["jobdeck_jobs"], _BY_NAME["jobdeck_attempts"]
_SAMPLE = "INSERT INTO jobdeck_depths (slot, queue, pending, oldest) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_LEASE_BITS = 62


class PastJobs:
    """Adds jobs that have ended to a queue."""

    def __init__(self, backend: Backend, transfer: Transfer) -> None:
        self._backend = backend
        self._transfer = transfer
        self._random = Random()

    @retried
    def add(self, jobs: Sequence[PastJob], kept: int | None) -> int:
        """Add jobs in one transaction; only the last `kept` of each state get rows, as if the others had been pruned."""
        counters = self._backend.new_counters()
        rows = _newest(jobs, kept)
        with self._backend.write_transaction() as connection:
            highest = self._transfer.highest_ids()[_JOBS.name]
            self._transfer.set_highest_ids({_JOBS.name: highest + len(rows)})
            numbered = [*enumerate(rows, highest + 1)]
            self._transfer.append(_JOBS, [_job_row(number, job) for number, job in numbered])
            self._transfer.append(_ATTEMPTS, [row for number, job in numbered for row in self._attempt_rows(number, job)])
            connection.executemany(_SAMPLE, _depth_rows(jobs))
            for job in rows:
                counters.count_transition(job.queue, job.kind, None, job.state)
            _count(jobs, counters)
            counters.write(connection)
        return len(rows)

    def _attempt_rows(self, number: int, job: PastJob) -> list[Row]:
        return [
            _row(
                _ATTEMPTS,
                job_id=number,
                lease=self._random.getrandbits(_LEASE_BITS),
                number=n,
                worker=each.worker,
                started_at=each.started_at,
                finished_at=each.finished_at,
                outcome=each.outcome.value,
                error_type=each.error_type,
                message=replace_surrogates(each.message),
                traceback=replace_surrogates(each.traceback),
            )
            for n, each in enumerate(job.attempts, 1)
        ]


def _newest(jobs: Sequence[PastJob], kept: int | None) -> list[PastJob]:
    """Return the last `kept` jobs of each state, in their order; all of them if it is `None`."""
    if kept is None:
        return [*jobs]
    remaining = dict.fromkeys(State, kept)
    found = []
    for job in reversed(jobs):
        state = job.state
        if remaining[state] > 0:
            remaining[state] -= 1
            found.append(job)
    return found[::-1]


def _row(table: Table, **values: object) -> Row:
    rules = RULES[table.name].columns
    return [values[name] if name in values else rules[name].default for name in table.columns]


def _job_row(number: int, job: PastJob) -> Row:
    last = job.attempts[-1]
    failed = job.state is State.FAILED
    return _row(
        _JOBS,
        id=number,
        kind=job.kind,
        queue=job.queue,
        state=job.state.value,
        priority=job.priority,
        args=job.args_json,
        attempt=len(job.attempts),
        max_attempts=max(job.max_attempts, len(job.attempts)),
        created_at=job.created_at,
        scheduled_at=last.due_at,
        started_at=last.started_at,
        finished_at=last.finished_at,
        worker=last.worker,
        tags=json.dumps(job.tags) if job.tags else NO_TAGS,
        result=replace_surrogates(job.result_json),
        error=one_line(_error(last)) if failed else None,
        reason=_reason(job, last).value if failed else None,
        crashes=sum(each.outcome is Outcome.CRASHED for each in job.attempts),
    )


def _error(attempt: PastAttempt) -> str:
    return ": ".join(filter(None, (attempt.error_type, attempt.message)))


def _reason(job: PastJob, last: PastAttempt) -> Reason:
    exhausted = len(job.attempts) >= job.max_attempts
    return REASON_OF_OUTCOME.get(last.outcome, Reason.EXHAUSTED if exhausted else Reason.GIVEN_UP)


def _count(jobs: Sequence[PastJob], counters: CounterDeltas) -> None:
    """Count all attempts by the time at which they started and finished."""
    times: defaultdict[tuple[str, str, str], list[tuple[float, float, float]]] = defaultdict(list)
    final: Counter[tuple[str, str, State]] = Counter()
    for job in jobs:
        queue, kind, last = job.queue, job.kind, job.attempts[-1]
        for each in job.attempts:
            measure = "completed" if each.outcome is Outcome.COMPLETED else "failed"
            if each.outcome is Outcome.CRASHED:
                measure = "crashed"
            if each is not last:
                counters.record_retry(queue, kind, each.finished_at)
            times[queue, kind, measure].append((each.due_at, each.started_at, each.finished_at))
        final[queue, kind, job.state] += 1
    for (queue, kind, state), n in final.items():
        counters.record_final(queue, kind, state, n)
    for (queue, kind, measure), found in times.items():
        counters.record_times(queue, kind, measure, found)


def _depth_rows(jobs: Sequence[PastJob]) -> list[Row]:
    """Return how many jobs were ready in each whole minute, as if it had been sampled then."""
    if not jobs:
        return []
    depths: defaultdict[tuple[int, str], list[float]] = defaultdict(lambda: [0, 0.0])
    attempts = [(job.queue, each) for job in jobs for each in job.attempts]
    start = int(min(each.due_at for _, each in attempts)) // MINUTE * MINUTE
    for slot in range(start + MINUTE, int(max(each.finished_at for _, each in attempts)) + 1, MINUTE):
        depths[slot, ""][0] += 0
    for queue, each in attempts:
        for slot in range((int(each.due_at) // MINUTE + 1) * MINUTE, int(each.started_at) + 1, MINUTE):
            for name in ("", queue):
                depth = depths[slot, name]
                depth[0] += 1
                depth[1] = max(depth[1], slot - each.due_at)
    return [(slot, queue, int(n), oldest) for (slot, queue), (n, oldest) in depths.items()]
