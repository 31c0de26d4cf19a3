"""A group of failures told in lines: its newest error, opened at the frame that raised, and how it stands with its jobs."""

from __future__ import annotations

from jobdeck import State

from ...feed.queries.errors import Sample
from ...text.format import GLYPHS, age
from ...text.sanitize import safe
from ..base.tracebacks import folded, read_traceback, unfolded
from .job_details import Told, clock_time

_NAMED = 12
"""Jobs that are named by their ids."""
_MESSAGE_LINES = 4
_MESSAGE_LENGTH = 20_000


def short_place(place: str) -> str:
    """A place without the folders of its file: `smtp.py:88 send`."""
    return place.rpartition("/")[2].rpartition("\\")[2]


def sample_lines(sample: Sample, now: float, *, whole: bool) -> list[Told]:
    """The error, the traceback, and the facts of the group."""
    group, attempt = sample.group, sample.attempt
    lines: list[Told] = [[(safe(group.error_type), "error")]]
    message = safe(group.message[:_MESSAGE_LENGTH], multiline=True).split("\n") if group.message else []
    shown = message if whole else message[:_MESSAGE_LINES]
    lines += [[("  " + part, "")] for part in shown]
    if len(shown) < len(message):
        lines.append([(f"  ⋯ {len(message) - len(shown)} lines more · ", "quiet"), ("t", "accent"), (" shows all", "quiet")])
    lines.append([])
    if attempt is not None and attempt.traceback:
        traceback = read_traceback(attempt.traceback)
        lines += unfolded(traceback) if whole else folded(traceback, unfolds="t")
    elif attempt is None:
        lines.append([("its newest job is gone: it was deleted or pruned", "quiet")])
    else:
        lines.append([("it left no traceback", "quiet")])
    lines.append([])
    return lines + _facts(sample, now)


def _facts(sample: Sample, now: float) -> list[Told]:
    group, attempt = sample.group, sample.attempt
    lines: list[Told] = []
    if attempt is not None:
        lines.append(_fact("newest", f"job {attempt.job_id}, attempt {attempt.number}", f"  by {safe(attempt.worker)}"))
    seen = f"{clock_time(group.last_seen, now)}, {age(now - group.last_seen)} ago"
    if group.count > 1:
        seen = f"{group.count:,} times, first {clock_time(group.first_seen, now)}, last {seen}"
    lines.append(_fact("seen", seen))
    lines.append(_jobs(sample))
    if sample.ids:
        rest = sample.jobs - len(sample.ids[:_NAMED])
        more = f"  and {rest:,} more" if rest > 0 else ""
        lines.append(_fact("ids", " ".join(map(str, sample.ids[:_NAMED])), more))
    return lines


def _jobs(sample: Sample) -> Told:
    """How many jobs, and what has become of them."""
    if not sample.jobs:
        return _fact("jobs", "none", "  all of them have completed, failed otherwise, or are gone")
    told: Told = [("jobs".ljust(10), "quiet"), (f"{sample.jobs:,}", "")]
    for state in State:
        count = sample.failed if state is State.FAILED else sample.states.get(state, 0)
        if count:
            told.append((f"  {GLYPHS[state]} {count:,} {state}", state.value))
    if sample.failed:
        told += [(" · ", "quiet"), ("r", "accent"), (" runs the failed ones again", "quiet")]
    return told


def _fact(name: str, value: str, more: str = "") -> Told:
    return [(name.ljust(10), "quiet"), (value, ""), (more, "quiet")]
