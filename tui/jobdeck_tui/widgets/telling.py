"""A job told in lines: its life, its arguments, its attempts, its log. Pure; styles are named by meaning."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from jobdeck import Attempt, Family, Job, LogLine, Outcome, State

from ..format import GLYPHS, age, duration
from ..text import safe

Told = list[tuple[str, str]]
"""One line: pieces of (text, meaning). A meaning is `quiet`, `strong`, `error`, …, a state's name, or empty."""

_JSON = re.compile(r'^(\s*)("(?:[^"\\]|\\.)*")(: )?(.*)$')
_OUTCOME_STATES = {
    Outcome.COMPLETED: "completed",
    Outcome.FAILED: "failed",
    Outcome.TIMED_OUT: "failed",
    Outcome.CRASHED: "failed",
    Outcome.CANCELLED: "cancelled",
    Outcome.SNOOZED: "scheduled",
    Outcome.RELEASED: "pending",
}


def clock_time(at: float, now: float | None = None) -> str:
    """The local time of day, to the second; with its date where that is not the date of `now`."""
    try:
        then = datetime.fromtimestamp(at)
        today = now is None or then.date() == datetime.fromtimestamp(now).date()
    except (ValueError, OverflowError, OSError):  # beyond the year 9999
        return "in another age"
    return then.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S")


def life(job: Job, now: float, aged: int | None = None) -> list[Told]:
    """What happened to the job so far, in facts; `aged` is what its priority counts as by now."""
    facts: list[Told] = [
        _fact("queue", safe(job.queue)),
        _fact("priority", str(job.priority) if aged is None else f"{job.priority}  counts as {aged} by its age"),
        _fact("attempts", f"{job.attempt} of {job.max_attempts}"),
        _fact("enqueued", f"{clock_time(job.created_at, now)}  {age(now - job.created_at)} ago"),
    ]
    if job.state in (State.SCHEDULED, State.RETRYING):
        facts.append(_fact("due", f"{clock_time(job.scheduled_at, now)}  in {duration(max(0.0, job.scheduled_at - now))}"))
    if job.expires_at is not None:
        when = f"in {duration(job.expires_at - now)}" if job.expires_at > now else f"{age(now - job.expires_at)} ago"
        facts.append(_fact("expires", f"{clock_time(job.expires_at, now)}  {when}"))
    if job.started_at is not None:
        # The wait of a later attempt is told by the attempts: it began when the one before had ended.
        waited = max(0.0, job.started_at - max(job.scheduled_at, job.created_at))
        after = f"  after a wait of {duration(waited)}" if job.attempt == 1 else ""
        facts.append(_fact("started", f"{clock_time(job.started_at, now)}{after}"))
    if job.finished_at is not None and job.started_at is not None and job.finished_at >= job.started_at:
        facts.append(
            _fact("finished", f"{clock_time(job.finished_at, now)}  took {duration(job.finished_at - job.started_at)}")
        )
    elif job.state is State.RUNNING and job.started_at is not None:
        facts.append(_fact("running", f"for {duration(max(0.0, now - job.started_at))}"))
    if job.worker:
        facts.append(_fact("worker", safe(job.worker)))
    if job.timeout:
        facts.append(_fact("timeout", duration(job.timeout)))
    if job.unique_key is not None:
        facts.append(_fact("unique", safe(job.unique_key)))
    if job.batch is not None:
        facts.append(_fact("batch", str(job.batch)))
    if job.tags:
        facts.append(_fact("tags", safe(" ".join(job.tags))))
    if job.progress is not None:
        done = round(job.progress * 20)
        facts.append(
            [("progress".ljust(10), "quiet"), ("━" * done + "╌" * (20 - done), "accent"), (f" {job.progress:.0%}", "")]
        )
    return facts


def _fact(name: str, value: str) -> Told:
    return [(name.ljust(10), "quiet"), (value, "")]


_RELATIVES = 8
"""Of the jobs before and after a job, so many are named one by one."""


def family(told: Family) -> list[Told]:
    """The jobs that it came after, and those that came after it, each with its state."""
    lines = _relatives("after", told.parents)
    if told.waits_for:
        lines.append([("".ljust(10), ""), (f"if one fails: {told.if_parent_fails}", "quiet")])
    return lines + _relatives("before", told.children)


def _relatives(name: str, relatives: Mapping[int, State | None] | Mapping[int, State]) -> list[Told]:
    shown = [*relatives.items()][:_RELATIVES]
    lines: list[Told] = []
    for job_id, state in shown:
        head = ("" if lines else name).ljust(10)
        how = ("gone", "quiet") if state is None else (f"{GLYPHS[state]} {state}", state.value)
        lines.append([(head, "quiet"), (f"{job_id}  ", ""), how])
    if len(relatives) > len(shown):
        lines.append([("".ljust(10), ""), (f"and {len(relatives) - len(shown):,} more", "quiet")])
    return lines


def arguments(job: Job, result: bool = True) -> list[Told]:
    """The arguments, and the result if there is one, as indented JSON."""
    lines = [*as_json(job.args_json)]
    if result and job.result_json is not None:
        lines += [[], [("result", "strong")], *as_json(job.result_json)]
    return lines


def as_json(text: str) -> Iterable[Told]:
    """A JSON document, indented and coloured; other text as it is."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        yield from ([(part, "")] for part in safe(text, multiline=True).split("\n"))
        return
    for part in json.dumps(document, indent=2, ensure_ascii=False).split("\n"):
        shown = safe(part)
        match = _JSON.match(shown)
        if match is None or match[3] is None:
            yield [(shown, _value_meaning(shown.strip()))]
        else:
            yield [(match[1], ""), (match[2], "accent"), (match[3], "quiet"), (match[4], _value_meaning(match[4]))]


def _value_meaning(text: str) -> str:
    if text.startswith('"'):
        return "good"
    return "warning" if text[:1].isdigit() or text.startswith(("-", "true", "false", "null")) else "quiet"


def attempts(told: Sequence[Attempt], now: float) -> list[Told]:
    """The attempts, the newest first, each with its error and traceback."""
    lines: list[Told] = []
    for attempt in reversed(told):
        if lines:
            lines.append([])
        lines += _attempt(attempt, now)
    return lines or [[("it has not been started yet", "quiet")]]


def _attempt(attempt: Attempt, now: float) -> Iterable[Told]:
    end = attempt.finished_at if attempt.finished_at is not None else now
    outcome = attempt.outcome.value if attempt.outcome is not None else "running"
    spent = "took" if attempt.finished_at is not None else "for"
    meaning = _OUTCOME_STATES[attempt.outcome] if attempt.outcome is not None else "running"
    yield [
        (f"attempt {attempt.number}  ", "strong"),
        (outcome, meaning),
        (f"  {clock_time(attempt.started_at, now)}  {spent} {duration(max(0.0, end - attempt.started_at))}", "quiet"),
        (f"  by {safe(attempt.worker)}", "quiet"),
    ]
    if attempt.late_at is not None:
        yield [("  its worker came back late, and changed nothing", "warning")]
    if attempt.error_type or attempt.message:
        error = ": ".join(part for part in (attempt.error_type, attempt.message) if part)
        yield from ([("  " + part, "error")] for part in safe(error, multiline=True).split("\n"))
    if attempt.traceback:
        for part in safe(attempt.traceback.rstrip(), multiline=True).split("\n"):
            code = part.startswith("    ")
            yield [("  " + part, "" if code else "quiet")]


_LEVELS = {"err": "error", "error": "error", "critical": "error", "warning": "warning", "debug": "quiet"}

_SHORT_LEVELS = {"warning": "warn", "critical": "crit"}


def log(lines: Sequence[LogLine], after_attempt: int = 1) -> list[Told]:
    """The log, a line each, with time and level; the attempt is named where it changes from `after_attempt`."""
    told: list[Told] = []
    for entry in lines:
        if entry.attempt != after_attempt:
            after_attempt = entry.attempt
            told.append([(f"attempt {entry.attempt}", "strong")])
        meaning = _LEVELS.get(entry.level, "")
        level = _SHORT_LEVELS.get(entry.level, entry.level)[:5].ljust(6)
        head: Told = [(clock_time(entry.at) + " ", "quiet"), (level, meaning or "quiet")]
        told += [[*head, (part, meaning)] for part in safe(entry.text, multiline=True).split("\n")]
    return told
