"""Moments as people type them: `18:30`, `2026-01-31T09:00`. Pure."""

from __future__ import annotations

import re

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


def read_moment(text: str, now: float | None = None) -> float:
    """A time as seconds since 1970: ISO 8601, in the local zone if it names none; or `HH:MM`, the next one to come.

    Args:
        text: what was typed.
        now: what time it is; the machine's when `None`.

    Raises:
        ValueError: it is neither. The message says what was expected.
    """
    from datetime import datetime, timedelta  # imported late: most commands name no time

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
