"""The details of a job: its facts, its arguments, its log. Pure; names styles by meaning."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from jobdeck import Job, LogLine, Outcome, State

from ...text.arguments import shown_json
from ...text.format import age, duration, span
from ...text.progress import bar, describe_progress
from ...text.sanitize import safe
from ..base.json_lines import as_json
from ..base.styled_text import StyledLine, cut, newest_lines

__all__ = ["OUTCOME_STATES", "StyledLine", "arguments", "as_json", "format_clock_time", "job_facts", "log_lines"]


OUTCOME_STATES = {
    Outcome.COMPLETED: "completed",
    Outcome.FAILED: "failed",
    Outcome.TIMED_OUT: "failed",
    Outcome.CRASHED: "failed",
    Outcome.CANCELLED: "cancelled",
    Outcome.SNOOZED: "scheduled",
    Outcome.RELEASED: "pending",
}
"""Outcome → the state whose color and glyph it uses."""


def format_clock_time(at: float, now: float | None = None) -> str:
    """Format a local time to the second, with its date unless that is the date of `now`."""
    try:
        then = datetime.fromtimestamp(at)
        today = now is None or then.date() == datetime.fromtimestamp(now).date()
    except (ValueError, OverflowError, OSError):  # beyond the year 9999
        return "out of range"
    return then.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S")


def job_facts(job: Job, now: float, aged: int | None = None) -> list[StyledLine]:
    """Return the facts about a job; `aged` is its effective priority."""
    facts: list[StyledLine] = [
        _fact("queue", safe(job.queue)),
        _fact("priority", str(job.priority) if aged is None else f"{job.priority}  effectively {aged} by its age"),
        _fact("attempts", f"{job.attempt} of {job.max_attempts}"),
        _fact("enqueued", f"{format_clock_time(job.created_at, now)}  {age(now - job.created_at)} ago"),
    ]
    if job.state in (State.SCHEDULED, State.RETRYING):
        facts.append(
            _fact("due", f"{format_clock_time(job.scheduled_at, now)}  in {duration(max(0.0, job.scheduled_at - now))}")
        )
    if job.expires_at is not None:
        when = f"in {duration(job.expires_at - now)}" if job.expires_at > now else f"{age(now - job.expires_at)} ago"
        facts.append(_fact("expires", f"{format_clock_time(job.expires_at, now)}  {when}"))
    if job.started_at is not None:
        # The wait of a later attempt starts at the end of the previous one; the list of attempts shows it.
        waited = max(0.0, job.started_at - max(job.scheduled_at, job.created_at))
        after = f"  after a wait of {duration(waited)}" if job.attempt == 1 else ""
        facts.append(_fact("started", f"{format_clock_time(job.started_at, now)}{after}"))
    if job.finished_at is not None and job.started_at is not None and job.finished_at >= job.started_at:
        facts.append(
            _fact("finished", f"{format_clock_time(job.finished_at, now)}  took {duration(job.finished_at - job.started_at)}")
        )
    elif job.state is State.RUNNING and job.started_at is not None:
        facts.append(_fact("running", f"for {duration(max(0.0, now - job.started_at))}"))
    if job.worker:
        facts.append(_fact("worker", safe(job.worker)))
    if job.timeout:
        facts.append(_fact("timeout", span(job.timeout)))
    if job.unique_key is not None:
        facts.append(_fact("unique", safe(job.unique_key)))
    if job.batch is not None:
        facts.append(_fact("batch", str(job.batch)))
    if job.trace_id is not None:
        facts.append(_fact("trace", job.trace_id))
    if job.tags:
        facts.append(_fact("tags", safe(" ".join(job.tags))))
    if job.progress is not None:
        facts.append(
            [("progress".ljust(10), "quiet"), (bar(job.progress, 20), "accent"), (f" {describe_progress(job, now)}", "")]
        )
    return facts


def _fact(name: str, value: str) -> StyledLine:
    return [(name.ljust(10), "quiet"), (value, "")]


def arguments(job: Job, result: bool = True) -> list[StyledLine]:
    """Return the arguments, and the result if there is one, as indented JSON."""
    lines = [*as_json(shown_json(job.kind, job.args_json))]
    if result and job.result_json is not None:
        lines += [[], [("result", "strong")], *as_json(job.result_json)]
    return lines


_LEVELS = {"err": "error", "error": "error", "critical": "error", "warning": "warning", "debug": "quiet"}

_LINES = 5000
"""The maximum number of lines shown of one log entry, the newest ones."""

_SHORT_LEVELS = {"warning": "warn", "critical": "crit"}


def log_lines(lines: Sequence[LogLine], after_attempt: int = 1) -> list[StyledLine]:
    """Return the lines of a log with time and level, and a heading where the attempt changes from `after_attempt`."""
    rows: list[StyledLine] = []
    for entry in lines:
        if entry.attempt != after_attempt:
            after_attempt = entry.attempt
            rows.append([(f"── attempt {entry.attempt} ──", "strong")])
        meaning = _LEVELS.get(entry.level, "")
        level = _SHORT_LEVELS.get(entry.level, entry.level)[:5]
        head: StyledLine = [(format_clock_time(entry.at) + " ", "quiet"), (safe(level).ljust(6), meaning or "quiet")]
        before, parts = newest_lines(entry.text, _LINES)
        if before:
            rows.append([*head, (f"… {before:,} earlier characters omitted here", "warning")])
        rows += [[*head, (cut(part), meaning)] for part in parts]
    return rows
