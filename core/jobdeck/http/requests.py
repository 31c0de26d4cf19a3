"""The documents that the API reads, and the options of the queue that they stand for. The queue itself checks their values."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from ..model.jobs import IfParentFails, OnConflict

Priority = Annotated[int, Field(ge=-1_000_000, le=1_000_000, description="Larger runs first.")]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Seconds = Annotated[float, Field(ge=0, lt=1e10)]


def _moment(value: Any) -> Any:
    """Accept a time with its offset only, as RFC 3339 writes it."""
    if not isinstance(value, str):
        raise ValueError("must be a time such as 2026-01-31T12:00:00Z")  # noqa: TRY004 - pydantic reports it
    return datetime.fromisoformat(value)


Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2030-01-31T12:00:00Z"]}),
]


class Input(BaseModel):
    """The base of all documents that are read: no member is unknown, no text counts as a number."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Change(Input):
    """The base of changes: one that changes nothing is a mistake."""

    @model_validator(mode="before")
    @classmethod
    def _is_not_empty(cls, given: Any) -> Any:
        if given == {}:
            raise ValueError("changes nothing: give at least one member")
        return given


class JobInput(Input):
    """A job to enqueue. Omitted options are those of its kind."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kind": "tasks.send_receipt", "args": {"order_id": 12, "to": "ann@example.org"}}]}
    )

    kind: Name = Field(description="A kind that GET /kinds lists.")
    args: dict[str, Any] = Field(default_factory=dict, description="The arguments by name; see the kind's JSON Schema.")
    queue: Name | None = None
    priority: Priority | None = None
    delay: Seconds | None = Field(None, description="Seconds from now until it is due.")
    at: Moment | None = Field(None, description="When it is due; cannot be combined with `delay`.")
    max_attempts: int | None = Field(None, ge=1, le=1000)
    timeout: Seconds | None = Field(None, description="Seconds of an attempt; 0 means no limit.")
    tags: list[Name] = Field(default_factory=list, max_length=100)
    backoff: list[float] | None = Field(None, min_length=2, max_length=2, description="First step and maximum, in seconds.")
    expires: Seconds | None = Field(None, description="Seconds from now within which it must start.")
    expires_at: Moment | None = Field(None, description="The same as a time; cannot be combined with `expires`.")
    unique: Annotated[str, Field(min_length=1, max_length=500)] | None = Field(
        None, description="A key that at most one job holds unless it is final."
    )
    unique_until: list[Literal["completed", "failed", "cancelled"]] = Field(
        default_factory=list, description="Final states in which it still holds its key."
    )
    on_conflict: Literal["return", "replace", "refuse"] = Field(
        OnConflict.RETURN.value, description="What to do if another job holds the key."
    )
    after: list[Annotated[int, Field(ge=1, lt=2**63)]] = Field(
        default_factory=list, max_length=1000, description="Ids of jobs that must complete first."
    )
    if_parent_fails: Literal["cancel", "run", "wait"] = IfParentFails.CANCEL.value

    def options(self) -> dict[str, Any]:
        """Return the options for `Queue.enqueue` that are given."""
        names = self.model_fields_set - {"kind", "args", "at", "expires_at", "backoff"}
        found = {name: getattr(self, name) for name in names}
        found |= {name: at.timestamp() for name in ("at", "expires_at") if (at := getattr(self, name)) is not None}
        if self.backoff is not None:
            found["backoff"] = tuple(self.backoff)
        return found


class JobChange(Change):
    """A change of a queued job. Omitted members are unchanged."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"priority": 5, "delay": 0}], "minProperties": 1})

    args: dict[str, Any] | None = Field(None, description="All new arguments by name.")
    queue: Name | None = None
    priority: Priority | None = None
    delay: Seconds | None = Field(None, description="Seconds from now until it is due.")
    at: Moment | None = Field(None, description="When it is due; cannot be combined with `delay`.")
    max_attempts: int | None = Field(None, ge=1, le=1000)
    tags: list[Name] | None = Field(None, max_length=100, description="The new tags, which replace all old ones.")

    def options(self) -> dict[str, Any]:
        """Return the options for `Queue.edit` that are given."""
        found = {name: getattr(self, name) for name in self.model_fields_set - {"args", "at"}}
        return found if self.at is None else {**found, "at": self.at.timestamp()}


class BatchInput(Input):
    """Jobs to enqueue as a batch."""

    name: str = Field("", max_length=200)
    jobs: list[JobInput] = Field(min_length=1, max_length=10_000)


class FilterSelection(Input):
    """The jobs of an operation: all that match a filter and whose state allows it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"filter": "state:failed queue:mail", "dry_run": True}]})

    filter: str = Field(min_length=1, max_length=10_000, description="A filter; `id>0` matches every job.")
    dry_run: bool = Field(False, description="Count the jobs, and change none.")
    limit: int = Field(10_000, ge=1, le=100_000, description="Jobs to change at most.")


class LimitsInput(Input):
    """The limits of a queue, which replace all old ones."""

    running: int | None = Field(None, ge=1, le=1_000_000, description="Jobs that may run at once.")
    rate: int | None = Field(None, ge=1, le=1_000_000, description="Jobs that may start within any `period` seconds.")
    period: Annotated[float, Field(gt=0, lt=1e10)] | None = None


class QueueChange(Change):
    """A change of a queue. Omitted members are unchanged."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"paused": True}], "minProperties": 1})

    paused: bool | None = None
    limits: LimitsInput | None = None


class ScheduleInput(Input):
    """A schedule to add."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "nightly", "cron": "0 3 * * *", "kind": "tasks.report", "args": {}}]}
    )

    name: Annotated[str, Field(min_length=1, max_length=100)]
    cron: Annotated[str, Field(min_length=1, max_length=1000)]
    kind: Name
    args: dict[str, Any] = Field(default_factory=dict)
    timezone: str = Field("UTC", max_length=100, examples=["Europe/Berlin"])
    replace: bool = Field(False, description="Replace a schedule with this name.")
    queue: Name | None = None
    priority: Priority | None = None
    max_attempts: int | None = Field(None, ge=1, le=1000)
    timeout: Seconds | None = None
    tags: list[Name] = Field(default_factory=list, max_length=100)


class ScheduleChange(Change):
    """A change of a schedule. Omitted members are unchanged."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"cron": "0 4 * * *"}], "minProperties": 1})

    cron: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    timezone: str | None = Field(None, max_length=100)
    kind: Name | None = None
    args: dict[str, Any] | None = None
    queue: Name | None = None
    priority: Priority | None = None
    max_attempts: int | None = Field(None, ge=1, le=1000)
    timeout: Seconds | None = None
    tags: list[Name] | None = Field(None, max_length=100)
    paused: bool | None = None


class UndoInput(Input):
    """The operation to undo or redo."""

    entry_id: int | None = Field(None, ge=1, lt=2**63, description="A journal entry; your newest one if omitted.")
