"""The details of a failure group: its newest error, folded to the frame that raised, and the states of its jobs. Pure."""

from __future__ import annotations

from jobdeck import State

from ...feed.queries.errors import Sample
from ...text.format import GLYPHS, age
from ...text.sanitize import safe
from ..base.tracebacks import fold, parse_traceback, unfold
from .job_details import StyledLine, format_clock_time

_NAMED = 12
"""The maximum number of job ids listed."""
_MESSAGE_LINES = 4
_MESSAGE_LENGTH = 20_000


def sample_lines(sample: Sample, now: float, *, whole: bool, readonly: bool = False) -> list[StyledLine]:
    """Return the error, the traceback, and the facts of a group.

    Args:
        sample: the group and one of its failures.
        now: the current time.
        whole: unfold the message and the traceback.
        readonly: hint no key that changes jobs.
    """
    group, attempt = sample.group, sample.attempt
    lines: list[StyledLine] = [[(safe(group.error_type), "error")]]
    message = safe(group.message[:_MESSAGE_LENGTH], multiline=True).split("\n") if group.message else []
    shown = message if whole else message[:_MESSAGE_LINES]
    lines += [[("  " + part, "")] for part in shown]
    if len(shown) < len(message):
        lines.append([(f"  ⋯ {len(message) - len(shown)} more lines · ", "quiet"), ("t", "accent"), (" shows all", "quiet")])
    lines.append([])
    if attempt is not None and attempt.traceback:
        traceback = parse_traceback(attempt.traceback)
        lines += unfold(traceback) if whole else fold(traceback, unfolds="t")
    elif attempt is None:
        lines.append([("its newest job was deleted or pruned", "quiet")])
    else:
        lines.append([("no traceback", "quiet")])
    lines.append([])
    return lines + _facts(sample, now, readonly=readonly)


def _facts(sample: Sample, now: float, *, readonly: bool) -> list[StyledLine]:
    group, attempt = sample.group, sample.attempt
    lines: list[StyledLine] = []
    if attempt is not None:
        lines.append(_fact("newest", f"job {attempt.job_id}, attempt {attempt.number}", f"  by {safe(attempt.worker)}"))
    seen = f"{format_clock_time(group.last_seen, now)}, {age(now - group.last_seen)} ago"
    if group.count > 1:
        seen = f"{group.count:,} times, first {format_clock_time(group.first_seen, now)}, last {seen}"
    lines.append(_fact("seen", seen))
    lines.append(_jobs(sample, readonly=readonly))
    if sample.ids:
        rest = sample.jobs - len(sample.ids[:_NAMED])
        more = f"  and {rest:,} more" if rest > 0 else ""
        lines.append(_fact("ids", " ".join(map(str, sample.ids[:_NAMED])), more))
    return lines


def _jobs(sample: Sample, *, readonly: bool) -> StyledLine:
    """Return the number of jobs, and their states."""
    if not sample.jobs:
        return _fact("jobs", "none", "  all have completed, failed with another error, or were deleted")
    pieces: StyledLine = [("jobs".ljust(10), "quiet"), (f"{sample.jobs:,}", "")]
    for state in State:
        count = sample.failed if state is State.FAILED else sample.states.get(state, 0)
        if count:
            pieces.append((f"  {GLYPHS[state]} {count:,} {state}", state.value))
    if sample.failed and not readonly:
        pieces += [(" · ", "quiet"), ("r", "accent"), (" retries the failed ones", "quiet")]
    return pieces


def _fact(name: str, value: str, more: str = "") -> StyledLine:
    return [(name.ljust(10), "quiet"), (value, ""), (more, "quiet")]
