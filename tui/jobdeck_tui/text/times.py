"""Parse typed times, `18:30` or `2026-01-31T09:00`, and format times in a zone. Pure."""

from __future__ import annotations

import re
import time
from math import ceil, floor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_CLOCK = r"(\d{1,2}):(\d{2})(?::(\d{2}))?"


def parse_time(text: str, now: float | None = None) -> float:
    """Parse a time into seconds since 1970: ISO 8601, in the local zone unless it names one; or the next `HH:MM`.

    A local time that the clock skips is the moment right after the change, as in schedules. Of a time that the clock repeats,
    the next one to come is meant.

    Args:
        text: the typed text.
        now: the current time in seconds since 1970; the machine's if `None`.

    Raises:
        ValueError: the text is neither. The message says what was expected.
    """
    from datetime import datetime, timedelta  # imported late: most commands take no time

    text = text.strip()
    now = time.time() if now is None else now
    try:
        found = re.fullmatch(_CLOCK, text)
        if found:
            hour, minute, second = (int(part or 0) for part in found.groups())
            today = datetime.fromtimestamp(now).replace(hour=hour, minute=minute, second=second, microsecond=0, fold=0)
            # Yesterday may return, where the clock is put back over midnight.
            each = (moment for day in (-1, 0, 1) for moment in instants_of(today + timedelta(days=day)))
            return min(moment for moment in each if moment > now)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo:
            return moment.timestamp()
        instants = instants_of(moment)
        return next((instant for instant in instants if instant > now), instants[0])
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is not a time such as 18:30 or 2026-01-31T09:00") from None


def instants_of(local: datetime) -> list[float]:
    """Return when the machine's clock shows a local time: once, or twice if it is put back over it.

    If the clock is put forward over it, return the moment right after that.
    """
    from datetime import UTC, timedelta

    local = local.replace(tzinfo=UTC)
    shown, day = local.timestamp(), timedelta(days=1)
    instants = sorted({shown - _offset((local + each).timestamp()) for each in (-day, day)})
    found = [instant for instant in instants if instant + _offset(instant) == shown]
    return found or [float(_change(floor(instants[0]), ceil(instants[-1])))]


def _change(start: int, end: int) -> int:
    """Return the first second with another offset from UTC than at `start`; the clock changes once until `end`."""
    offset = _offset(start)
    while end - start > 1:
        middle = (start + end) // 2
        if _offset(middle) == offset:
            start = middle
        else:
            end = middle
    return end


def _offset(at: float) -> int:
    """Return the seconds by which the local zone is ahead of UTC."""
    return time.localtime(at).tm_gmtoff or 0


def local_time(at: float) -> str:
    """Format a time such that `parse_time` reads it back: `2026-10-25 02:30:00`, with its offset if the clock repeats it."""
    from datetime import datetime

    moment = datetime.fromtimestamp(floor(at))
    repeated = len(instants_of(moment.replace(fold=0))) > 1
    return (moment.astimezone() if repeated else moment).isoformat(" ")


def in_zone(at: float, timezone: str | None, *, seconds: bool = False) -> str:
    """Format a time in a zone: `Mon 2026-02-02 03:00 CET`; in UTC if the zone is unknown.

    Args:
        at: seconds since 1970.
        timezone: a zone; the local one if `None`.
        seconds: show the seconds even if they are 0.
    """
    moment = parse_local_time(at, timezone)
    if moment is None:
        return str(at)
    return moment.strftime("%a %Y-%m-%d %H:%M:%S %Z" if moment.second or seconds else "%a %Y-%m-%d %H:%M %Z")


def parse_local_time(at: float, timezone: str | None) -> datetime | None:
    """Return the local time in a zone; `None` if it is beyond the years of the calendar."""
    from datetime import UTC, datetime, tzinfo
    from zoneinfo import ZoneInfo

    zone: tzinfo
    try:
        if timezone is None:
            return datetime.fromtimestamp(at).astimezone()
        zone = UTC if timezone == "UTC" else ZoneInfo(timezone)
    except (OverflowError, OSError):
        return None
    except Exception:  # a zone that only the machine of another process has
        zone = UTC
    try:
        return datetime.fromtimestamp(at, zone)
    except (OverflowError, ValueError, OSError):
        return None
