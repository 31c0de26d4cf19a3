"""Times and durations as people type them: `10m`, `18:30`, `2026-01-31T09:00`."""

from __future__ import annotations

import re
from typing import Any

import click

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


def read_moment(text: str) -> float:
    """A time as seconds since 1970: ISO 8601, in the local zone if it names none; or `HH:MM`, the next one to come.

    Raises:
        ValueError: it is neither. The message says what was expected.
    """
    from datetime import datetime, timedelta

    text = text.strip()
    try:
        found = _CLOCK.fullmatch(text)
        if found:
            now = datetime.now().astimezone()
            hour, minute, second = (int(part or 0) for part in found.groups())
            moment = now.replace(hour=hour, minute=minute, second=second, microsecond=0, tzinfo=None)
            if moment <= now.replace(tzinfo=None):
                moment += timedelta(days=1)
        else:
            moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.astimezone()).timestamp()
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is not a time such as 18:30 or 2026-01-31T09:00") from None


class DurationType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """An option that takes a duration; its value is in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        from jobdeck import parse_duration

        try:
            return parse_duration(value)
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


class MomentType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """An option that takes a time; its value is in seconds since 1970."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        try:
            return read_moment(value)
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


DURATION = DurationType()
MOMENT = MomentType()
