"""click types for durations and times: `10m`, `18:30`, `2026-01-31T09:00`."""

from __future__ import annotations

from typing import Any

import click

from ..text.times import parse_time as parse_time


class DurationType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Accept a duration; the value is in seconds."""

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
    """Accept a time; the value is in seconds since 1970."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        try:
            return parse_time(value)
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


DURATION = DurationType()
MOMENT = MomentType()
