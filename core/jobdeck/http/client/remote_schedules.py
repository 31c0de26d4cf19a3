"""The schedules of a queue on another machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...kinds.definition import Handler
from ...model.jobs import Job
from ...model.schedules import Schedule, ScheduledRun
from ...scheduling.schedules import Schedules

Call = Callable[..., Any]


class RemoteSchedules(Schedules):
    """The schedules of a queue on another machine. The zone `local` is that of the server."""

    def __init__(self, read: Call, change: Call) -> None:
        self._read, self._change = read, change

    def list(self) -> Sequence[Schedule]:
        return self._read("schedules.list", Sequence[Schedule])

    def get(self, name: str) -> Schedule:
        return self._read("schedules.get", Schedule, name=name)

    def history(self, name: str, limit: int = 20) -> Sequence[ScheduledRun]:
        return self._read("schedules.history", Sequence[ScheduledRun], name=name, limit=limit)

    def preview(self, cron: str, timezone: str = "UTC", n: int = 5) -> tuple[float, ...]:
        return self._read("schedules.preview", tuple[float, ...], cron=cron, timezone=timezone, n=n)

    def new_schedule(
        self,
        name: str,
        cron: str,
        kind: str | Handler,
        args: Mapping[str, Any] | None = None,
        /,
        **options: Any,
    ) -> Schedule:
        return self._change(
            "schedules.new_schedule", Schedule, name=name, cron=cron, kind=kind, args=args, options=_given(options)
        )

    def add(
        self,
        name: str,
        cron: str,
        kind: str | Handler,
        args: Mapping[str, Any] | None = None,
        /,
        *,
        replace: bool = False,
        actor: str | None = None,
        **options: Any,
    ) -> Schedule:
        return self._change(
            "schedules.add",
            Schedule,
            name=name,
            cron=cron,
            kind=kind,
            args=args,
            replace=replace,
            options=_given(options),
        )

    def edit(
        self,
        name: str,
        /,
        *,
        cron: str | None = None,
        kind: str | Handler | None = None,
        args: Mapping[str, Any] | None = None,
        actor: str | None = None,
        **options: Any,
    ) -> Schedule:
        return self._change("schedules.edit", Schedule, name=name, cron=cron, kind=kind, args=args, options=_given(options))

    def pause(self, name: str, *, actor: str | None = None) -> bool:
        return self._change("schedules.pause", bool, name=name)

    def resume(self, name: str, *, actor: str | None = None) -> bool:
        return self._change("schedules.resume", bool, name=name)

    def run(self, name: str) -> Job:
        return self._change("schedules.run", Job, name=name)

    def delete(self, name: str, *, actor: str | None = None) -> None:
        self._change("schedules.delete", None, name=name)


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
