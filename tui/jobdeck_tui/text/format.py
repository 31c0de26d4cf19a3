"""Ages, durations, numbers, and how a state looks. Pure; the commands and the cockpit share it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from jobdeck import ErrorGroup, Job, Limits, State

if TYPE_CHECKING:
    from jobdeck import Forecast

#: State is always shown as glyph, word and colour.
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

#: The same for terminals without such characters.
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

RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
"""Digits as they stand in titles."""

#: Names that click and Rich share; the terminal's own palette decides their shade.
COLOURS: Mapping[State, str] = MappingProxyType(
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


def state_and_reason(job: Job) -> str:
    """The word for its state, and why it came to that: `failed · attempts exhausted`."""
    state = "cancelling" if job.cancelling else job.state.value
    return f"{state} · {job.reason}" if job.reason else state


_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def age(seconds: float) -> str:
    """How long ago, in one unit: `12s`, `3m`, `2h`, `5d`. What lies in the future counts as now."""
    whole = int(max(0.0, seconds))
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m"
    if whole < _DAY:
        return f"{whole // _HOUR}h"
    return f"{whole // _DAY}d"


def duration(seconds: float) -> str:
    """How long something took: `41ms`, `2.3s`, `12.1s`, `4m10s`, `1h02m`, `3d04h`."""
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


def pace(a_second: float) -> str:
    """How often something happens, in the unit that tells most: `142/s`, `9.3/s`, `4.8/min`, `2.1/h`; `0` for never."""
    if not a_second:
        return "0"
    for size, unit in ((1, "s"), (_MINUTE, "min"), (_HOUR, "h")):
        rate = a_second * size
        if rate >= 0.1 or unit == "h":
            return f"{rate:,.0f}/{unit}" if rate >= 9.95 else f"{rate:.1f}/{unit}" if rate >= 0.05 else f"<0.1/{unit}"
    raise AssertionError


def span(seconds: float) -> str:
    """A duration as it would be typed, in one unit and exactly: `0.5s`, `90s`, `1m`, `24h` is `1d`."""
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:.12g}s"


def limits_text(limits: Limits) -> str:
    """The limits of a queue: `2 at once, 100 per 1m`; empty where it has none."""
    parts = [] if limits.running is None else [f"{limits.running:,} at once"]
    if limits.rate is not None:
        parts.append(f"{limits.rate:,} per {span(limits.period or 1.0)}")
    return ", ".join(parts)


def forecast_text(told: Forecast) -> str:
    """When a queue will be empty: `empty in 4m`, `growing 12/min`, `stalled: no worker serves it`."""
    from jobdeck import Outlook  # imported late: most commands tell no forecast, and neither does the first paint

    match told.outlook:
        case Outlook.DRAINING if told.empty_in is not None:
            return f"empty in {about(told.empty_in)}"
        case Outlook.GROWING if told.growth is not None:
            return f"growing {rough_pace(told.growth)}"
        case Outlook.STILL:
            return f"stalled: {told.why}"
        case _:
            return told.outlook.value


def about(seconds: float) -> str:
    """A length of time that is an estimate, in one unit: `45s`, `4m`, `3h`, `5d`, `over a year`."""
    if seconds > 365 * _DAY:
        return "over a year"
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{max(1, round(seconds))}s"


def rough_pace(a_second: float) -> str:
    """How many jobs in a time, in the unit that keeps the number small and whole: `12/min`, `30/s`, `4/h`."""
    if a_second >= 10:
        return f"{round(a_second):,}/s"
    a_minute = round(a_second * _MINUTE)
    return f"{a_minute}/min" if a_minute else f"{max(1, round(a_second * _HOUR))}/h"


_SAID = 1000
"""Characters of a value that a filter made from it says."""
_UNSAYABLE = str.maketrans({'"': "?", "*": "?"})


def field_filter(field: str, value: str) -> str:
    """The filter that finds the jobs whose field has the value: `kind:mail.send`, `place:"a.py:3 send"`.

    A quotation mark cannot be said in a filter, and a star means any text: any character stands for each of them. Of a
    value that is longer than a filter can be, the beginning is said.
    """
    value = value[:_SAID].translate(_UNSAYABLE) + "*" * (len(value) > _SAID)
    return f'{field}:"{value}"' if not value or "," in value or any(map(str.isspace, value)) else f"{field}:{value}"


def queue_filter(name: str) -> str:
    """The filter that finds the jobs of a queue."""
    return field_filter("queue", name)


def group_filter(group: ErrorGroup) -> str:
    """The filter that finds the jobs whose newest failure belongs to a group."""
    terms = (("kind", group.kind), ("exception", group.error_type), ("place", group.place))
    return " ".join(field_filter(field, value) for field, value in terms)


def number(n: int) -> str:
    """A number in full: `12,480`."""
    return f"{n:,}"


def short_number(n: int) -> str:
    """A number in at most four columns: `214`, `1.2k`, `981k`, `1.0M`. Cut, never rounded up."""
    for unit, size in (("", 1), ("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000)):
        if n < size * 1000 or unit == "G":
            if not unit or n >= 10 * size:
                return f"{n // size}{unit}"
            return f"{n * 10 // size / 10:.1f}{unit}"
    raise AssertionError


def how_busy(jobs: int, threads: int) -> str:
    """How many threads have a job: `5/8 busy`; async jobs run beside them, and can be more than there are threads."""
    return f"{jobs}/{threads} busy" if jobs <= threads else f"{number(jobs)} jobs on {threads} threads"


# merged: What ties a job to a schedule. Pure; the commands and the cockpit share it.
_TAG = "schedule:"
"""The jobs of a schedule bear a tag that begins so."""


def schedule_of(job: Job) -> str | None:
    """The name of the schedule that enqueued the job, by its tag."""
    return next((tag.removeprefix(_TAG) for tag in job.tags if tag.startswith(_TAG)), None)
