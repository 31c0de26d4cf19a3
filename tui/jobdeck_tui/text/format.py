"""Format states, durations, rates, numbers, limits, forecasts and filters. Pure; the commands and the cockpit share it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from jobdeck import Reason, State, quote_filter_value

if TYPE_CHECKING:
    from jobdeck import ErrorGroup, Forecast, Job, Limits, ScheduledRun

#: A state is always shown as glyph, word and color.
GLYPHS: Mapping[State, str] = MappingProxyType(
    {
        State.SCHEDULED: "◷",
        State.WAITING: "◌",
        State.PENDING: "○",
        State.RUNNING: "▸",
        State.RETRYING: "↻",
        State.COMPLETED: "✓",
        State.FAILED: "✗",
        State.CANCELLED: "⊘",
    }
)

#: Glyphs for terminals that only have ASCII.
ASCII_GLYPHS: Mapping[State, str] = MappingProxyType(
    {
        State.SCHEDULED: "@",
        State.WAITING: "&",
        State.PENDING: "o",
        State.RUNNING: ">",
        State.RETRYING: "~",
        State.COMPLETED: "+",
        State.FAILED: "x",
        State.CANCELLED: "-",
    }
)

#: Names that click and Rich share; the terminal's own palette decides their shade.
COLORS: Mapping[State, str] = MappingProxyType(
    {
        State.SCHEDULED: "magenta",
        State.WAITING: "bright_black",
        State.PENDING: "white",
        State.RUNNING: "cyan",
        State.RETRYING: "yellow",
        State.COMPLETED: "green",
        State.FAILED: "red",
        State.CANCELLED: "bright_black",
    }
)


RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
"""The raised digits of panel titles."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_MAX_FILTER_VALUE = 1000
"""Characters of a value that go into a filter made from it."""
_NAMED_PARENTS = 4
"""The number of parents that are named."""
_NO_PARENTS: Mapping[int, State | None] = MappingProxyType({})
_SCHEDULE_TAG = "schedule:"
"""The prefix of the tag on jobs that a schedule enqueued."""


_ENDED = {State.FAILED: "failed", State.CANCELLED: "was cancelled", None: "was deleted"}
"""What may have happened to a parent that did not complete."""


def state_and_reason(job: Job, parents: Mapping[int, State | None] = _NO_PARENTS) -> str:
    """Return the state of a job and the reason for it: `failed · attempts exhausted`, `cancelled · parent 12 failed`.

    Args:
        job: the job.
        parents: the states of its parents, if they are known.
    """
    state = "cancelling" if job.cancelling else job.state.value
    reason = describe_reason(job, parents)
    return f"{state} · {reason}" if reason else state


def describe_reason(job: Job, parents: Mapping[int, State | None] = _NO_PARENTS) -> str:
    """Return why a job failed or was cancelled by the queue: `attempts exhausted`, `parent 12 failed`; empty if unknown."""
    return (job.reason is Reason.PARENT and ended_parents(parents)) or job.reason or ""


def ended_parents(parents: Mapping[int, State | None]) -> str:
    """Return which parents did not complete, and why: `parent 12 failed`, `parents 12 and 13 failed`; empty if none."""
    texts = []
    for state, verb in _ENDED.items():
        ids = [parent for parent, each in parents.items() if each is state]
        if len(ids) > 1:
            named = [*map(str, ids)]
            if len(ids) > _NAMED_PARENTS:
                named[_NAMED_PARENTS - 1 :] = [f"{len(ids) - _NAMED_PARENTS + 1:,} others"]
            texts.append(f"parents {', '.join(named[:-1])} and {named[-1]} {verb.replace('was ', 'were ')}")
        elif ids:
            texts.append(f"parent {ids[0]} {verb}")
    return ", ".join(texts)


def newest_error(job: Job | ScheduledRun) -> str | None:
    """Return the error of a job's latest outcome.

    A job that was retried after an error and then completed, or was cancelled, still has that error; it does not describe it.
    """
    return None if job.state in (State.COMPLETED, State.CANCELLED) else job.error


def schedule_name(job: Job) -> str | None:
    """Return the name of the schedule that enqueued the job, from its tag."""
    return next((tag.removeprefix(_SCHEDULE_TAG) for tag in job.tags if tag.startswith(_SCHEDULE_TAG)), None)


def age(seconds: float) -> str:
    """Return an age in one unit: `12s`, `3m`, `2h`, `5d`. The future counts as now."""
    whole = int(max(0.0, seconds))
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m"
    if whole < _DAY:
        return f"{whole // _HOUR}h"
    return f"{whole // _DAY}d"


def duration(seconds: float) -> str:
    """Return a duration: `41ms`, `2.3s`, `12.1s`, `4m10s`, `1h02m`, `3d04h`."""
    if seconds < 0.0005:
        return "0ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02d}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02d}m"
    return f"{whole // _DAY}d{whole % _DAY // _HOUR:02d}h"


def rate_text(per_second: float) -> str:
    """Return a rate in the most readable unit: `142/s`, `9.3/s`, `4.8/min`, `2.1/h`; `0` for never."""
    if not per_second:
        return "0"
    for size, unit in ((1, "s"), (_MINUTE, "min"), (_HOUR, "h")):
        rate = per_second * size
        if rate >= 0.1 or unit == "h":
            return f"{rate:,.0f}/{unit}" if rate >= 9.95 else f"{rate:.1f}/{unit}" if rate >= 0.05 else f"<0.1/{unit}"
    raise AssertionError


def span(seconds: float) -> str:
    """Return a duration exactly, in one unit and as it is typed: `0.5s`, `90s`, `1m`; `24h` becomes `1d`."""
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:.12g}s"


def limits_text(limits: Limits) -> str:
    """Return the limits of a queue: `2 at once, 100 per 1m`; empty if it has none."""
    parts = [] if limits.running is None else [f"{limits.running:,} at once"]
    if limits.rate is not None:
        parts.append(f"{limits.rate:,} per {span(limits.period or 1.0)}")
    return ", ".join(parts)


def forecast_text(forecast: Forecast) -> str:
    """Return when a queue will be empty: `empty in 4m`, `growing 12/min`, or why it will not be."""
    from jobdeck import Trend  # imported late: most commands and the first paint show no forecast

    match forecast.trend:
        case Trend.DRAINING if forecast.empty_in is not None:
            return f"empty in {rough_duration(forecast.empty_in)}"
        case Trend.GROWING if forecast.growth is not None:
            return f"growing {rough_rate(forecast.growth)}"
        case Trend.STALLED:
            return f"{forecast.trend.value}: {forecast.reason}"
        case _:
            return forecast.trend.value


def rough_duration(seconds: float) -> str:
    """Return an estimated duration in one unit: `45s`, `4m`, `3h`, `5d`, `over a year`."""
    if seconds > 365 * _DAY:
        return "over a year"
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{max(1, round(seconds))}s"


def rough_rate(per_second: float) -> str:
    """Return a rate of jobs, rounded, in the unit that keeps the number small: `12/min`, `30/s`, `4/h`."""
    if per_second >= 10:
        return f"{round(per_second):,}/s"
    per_minute = round(per_second * _MINUTE)
    return f"{per_minute}/min" if per_minute else f"{max(1, round(per_second * _HOUR))}/h"


def field_filter(field: str, value: str) -> str:
    """Return the filter for jobs whose field has the value: `kind:mail.send`, `place:"a.py:3 send"`.

    If the value is longer than a filter can be, the filter matches its first characters.
    """
    return f"{field}:{quote_filter_value(value[:_MAX_FILTER_VALUE])}" + "*" * (len(value) > _MAX_FILTER_VALUE)


def queue_filter(name: str) -> str:
    """Return the filter for the jobs of a queue."""
    return field_filter("queue", name)


def group_filter(group: ErrorGroup) -> str:
    """Return the filter for the jobs whose newest failure belongs to the group."""
    terms = (("kind", group.kind), ("exception", group.error_type), ("place", group.place))
    return " ".join(field_filter(field, value) for field, value in terms)


_LOCATION = r":\d+( \S+)?$"


def short_location(place: str) -> str:
    """Return a location without the folders of its file: `smtp.py:88 send`; the last error line of a command unchanged."""
    return place.rpartition("/")[2].rpartition("\\")[2] if re.search(_LOCATION, place) else place


def number(n: int) -> str:
    """Return a number in full: `12,480`."""
    return f"{n:,}"


def short_number(n: int) -> str:
    """Return a number in at most four columns: `214`, `1.2k`, `981k`, `1.0M`. Truncated, never rounded up."""
    for unit, size in (("", 1), ("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000)):
        if n < size * 1000 or unit == "G":
            if not unit or n >= 10 * size:
                return f"{n // size}{unit}"
            return f"{n * 10 // size / 10:.1f}{unit}"
    raise AssertionError


def share_text(jobs: int, threads: int) -> str:
    """Return the share of busy threads, `5/8`; of more jobs than threads, which are async and need none, their number."""
    return f"{number(jobs)}/{number(threads)}" if jobs <= threads else number(jobs)


def busy_text(jobs: int, threads: int) -> str:
    """Return the number of busy threads: `5/8 busy`; async jobs need no thread, so there can be more jobs than threads."""
    return f"{jobs}/{threads} busy" if jobs <= threads else f"{number(jobs)} jobs on {threads} threads"
