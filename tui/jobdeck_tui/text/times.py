"""Parse typed times, `18:30` or `2026-01-31T09:00`, and format times in a zone. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


def parse_time(text: str, now: float | None = None) -> float:
    """Parse a time into seconds since 1970: ISO 8601, in the local zone unless it names one; or the next `HH:MM`.

    Args:
        text: the typed text.
        now: the current time in seconds since 1970; the machine's if `None`.

    Raises:
        ValueError: the text is neither. The message says what was expected.
    """
    from datetime import datetime, timedelta  # imported late: most commands take no time

    text = text.strip()
    try:
        found = _CLOCK.fullmatch(text)
        if found:
            today = datetime.now().astimezone() if now is None else datetime.fromtimestamp(now).astimezone()
            hour, minute, second = (int(part or 0) for part in found.groups())
            moment = today.replace(hour=hour, minute=minute, second=second, microsecond=0, tzinfo=None)
            if moment <= today.replace(tzinfo=None):
                moment += timedelta(days=1)
        else:
            moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.astimezone()).timestamp()
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is not a time such as 18:30 or 2026-01-31T09:00") from None


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
