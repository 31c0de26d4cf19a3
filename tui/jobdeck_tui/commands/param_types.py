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


class WholeNumber(click.IntRange):
    """Accept a whole number within bounds."""

    name = "whole number"
    what = ""
    """What the number is, for the message."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        value = value.strip() if isinstance(value, str) else value
        low, high = self.min, self.max
        bounds = f" from {low} to {high}" if high is not None else "" if low is None else f", {low} or more"
        try:
            number = int(value)
        except ValueError:
            number = None
        if number is None or (low is not None and number < low) or (high is not None and number > high):
            self.fail(f"{value!r} is not {self.what or f'a whole number{bounds}'}", param, ctx)
        return number


class IdType(WholeNumber):
    """Accept the id of a job, a batch or a journal entry."""

    name = "id"

    def __init__(self, what: str) -> None:
        super().__init__(1, 2**63 - 1)
        self.what = what


class HealthAddressType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Accept `PORT`, `HOST:PORT` or `[::]:PORT`; the value is the host and the port."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        host, _, port = value.strip().rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if not (port.isascii() and port.isdecimal() and int(port) <= 65535) or (":" in host and not bracketed):
            self.fail(f"{value!r} is not a port such as 8766, or a host and a port such as 0.0.0.0:8766", param, ctx)
        return host.strip("[]") or "127.0.0.1", int(port)


class SelectedIdType(IdType):
    """Accept the id of a job as `IdType` does, for a command whose option --where may select the jobs instead."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See `IdType`; recognize the further words of a filter that was not quoted."""
        where = ctx.params.get("where") if ctx is not None else None
        if where and isinstance(value, str) and not value.strip().isdecimal():
            import shlex

            raise click.UsageError(f"quote a filter of several words: --where {shlex.quote(f'{where} {value}')}", ctx)
        return super().convert(value, param, ctx)


_JOB = "the id of a job, a whole number such as 42; `jobdeck list` lists the jobs"
JOB_ID = IdType(_JOB)
SELECTED_JOB_ID = SelectedIdType(_JOB)
BATCH_ID = IdType("the id of a batch, a whole number such as 7")
ENTRY_ID = IdType("the number of a journal entry such as 12; `jobdeck journal` lists them")
DURATION = DurationType()
HEALTH_ADDRESS = HealthAddressType()
MOMENT = MomentType()
