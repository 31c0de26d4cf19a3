"""Compute the next ticks of cron expressions, names such as `@daily`, and intervals such as `every 90s`. Pure.

Daylight saving time is handled as in Debian's cron(8), also in expressions with seconds: see `cron_ticks`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from itertools import islice
from math import floor
from pathlib import Path

from .errors import InvalidCron, InvalidOption
from .filter import parse_duration

NAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
"""The names defined by crontab(5), and the expressions that they stand for."""

_LONGEST = 200
_FIELDS = {
    "second": "0 to 59",
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day-of-month": "1 to 31 (or L, LW), and a day that exists in the month",
    "month": "1 to 12, or JAN to DEC",
    "day-of-week": "0 to 7, or SUN to SAT",
}
_LONGEST_EVERY = 366 * 86400


def next_tick(cron: str, timezone: str, after: float) -> float:
    """Return the first tick later than `after`; both in seconds since 1970.

    Raises:
        InvalidCron: the expression is invalid, or never matches.
        InvalidOption: the time zone does not exist.
    """
    tick = next(_ticks(cron, timezone, after), None)
    if tick is None:
        raise InvalidCron(cron, None, "does not match any time in the next 50 years")
    return tick


def next_ticks(cron: str, timezone: str = "UTC", *, after: float, n: int = 5) -> tuple[float, ...]:
    """Return the first `n` ticks later than `after`, or fewer if no more exist. Raises like `next_tick`."""
    return (next_tick(cron, timezone, after), *islice(_ticks(cron, timezone, after), 1, n))[:n]


def explain_cron(cron: str) -> str:
    """Describe the expression in words: `At 03:00 every day`. Raises `InvalidCron`."""
    seconds = _every(cron)
    if seconds is not None:
        return f"Every {_interval_text(seconds)}"
    from cronsim import CronSim

    _check(cron)
    return CronSim(_plain(cron), datetime(2000, 1, 1)).explain()  # the description does not depend on the time zone


def find_zone(timezone: str) -> tzinfo:
    """Return the time zone of this name from the machine's time zone database.

    Raises:
        InvalidOption: the database has no time zone with this name.
    """
    if timezone == "UTC":
        return UTC  # works without a database
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(timezone)
    except Exception:  # the exception type depends on which rule for paths the name breaks
        raise InvalidOption(
            "timezone", f"must be a name such as UTC, Europe/Berlin or America/New_York, not {timezone!r}"
        ) from None


def local_zone() -> str:
    """Return the name of the machine's time zone, from TZ or /etc/localtime.

    Raises:
        InvalidOption: neither contains a name.
    """
    name = os.environ.get("TZ", "").lstrip(":")
    if not name:
        name = str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]
    if not name:
        raise InvalidOption("timezone", "of this machine has no name; use one such as Europe/Berlin")
    find_zone(name)
    return name


def _ticks(cron: str, timezone: str, after: float) -> Iterator[float]:
    zone = find_zone(timezone)
    seconds = _every(cron)
    if seconds is not None:
        # Counted from 1970, so that all processes compute the same ticks, also after an edit of something else.
        number = floor(after / seconds)
        while True:
            number += 1
            if number * seconds > after:
                yield number * seconds
    _check(cron)
    from .cron_ticks import compute_ticks  # imported late, with its library: most commands compute no ticks

    yield from compute_ticks(_plain(cron), zone, after)


def _plain(cron: str) -> str:
    words = cron.split()
    return NAMES.get(words[0].lower(), " ".join(words)) if len(words) == 1 else " ".join(words)


def _every(cron: str) -> float | None:
    """Return the seconds of `every 90s`; `None` if it is something else."""
    if not isinstance(cron, str):
        raise InvalidCron(repr(cron), None, "is not text")
    word, _, duration = cron.strip().partition(" ")
    if word.lower() not in ("every", "@every"):
        return None
    try:
        seconds = parse_duration(duration)
    except ValueError as problem:
        raise InvalidCron(cron, None, f"cannot be read: {problem}") from None
    if not 1 <= seconds <= _LONGEST_EVERY:
        raise InvalidCron(cron, None, "must be at least 1 second and at most 1 year")
    return seconds


@lru_cache(maxsize=256)
def _check(cron: str) -> None:
    from cronsim import CronSim, CronSimError

    if len(cron) > _LONGEST or not cron.isprintable():
        raise InvalidCron(cron, None, f"must be one line of at most {_LONGEST} characters")
    plain = _plain(cron) if cron.split() else ""
    if plain.startswith("@"):
        raise InvalidCron(cron, None, f"is not one of {', '.join(NAMES)}")
    try:
        CronSim(plain, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as problem:
        parts = plain.split()
        if len(parts) not in (5, 6):
            raise InvalidCron(
                cron,
                None,
                "must have five fields (minute hour day-of-month month day-of-week), or six with second first,"
                f" not {len(parts)}",
            ) from None
        field = str(problem).removeprefix("Bad ")
        text = dict(zip(_FIELDS, ["0", *parts][-6:], strict=True)).get(field, plain)
        raise InvalidCron(cron, field, f"has an invalid {field} {text!r}: must be {_FIELDS.get(field, 'different')}") from None


def _interval_text(seconds: float) -> str:
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            n = seconds / size
            return unit if n == 1 else f"{n:g} {unit}s"
    return "second" if seconds == 1 else f"{seconds:g} seconds"
