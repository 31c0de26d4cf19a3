"""Defines what a call is: a typed function, the scope that it needs, and the check of what is sent to it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, get_type_hints

from pydantic import BaseModel, Field, create_model

from ...model.jobs import NewJob
from ...model.kind_names import SHELL, handler_kind
from ...model.record_class import record
from ...queue import Queue
from ..access import Caller, Denied
from ..requests import Input
from ..tokens import Scope


@record
class CallContext:
    """The queue that a call works on, and its caller."""

    queue: Queue
    caller: Caller

    def allow_kind(self, kind: str) -> None:
        """Refuse commands to callers without the scope for them. Raises `Denied`."""
        if handler_kind(kind) == SHELL and Scope.SHELL not in self.caller.scopes:
            raise Denied(403, "Scope missing", "Jobs of the kind shell need a token with the scope shell.", scope=Scope.SHELL)


@dataclass(frozen=True)
class QueueCall:
    """A call."""

    name: str
    scope: Scope
    run: Callable[..., Any]

    @cached_property
    def arguments(self) -> type[BaseModel]:
        """The model of the document with its arguments."""
        hints = get_type_hints(self.run, include_extras=True)
        fields: dict[str, Any] = {}
        for parameter in [*inspect.signature(self.run).parameters.values()][1:]:
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (hints[parameter.name], default)
        return create_model(self.name, __base__=Input, **fields)


CALLS: dict[str, QueueCall] = {}
"""Name → call. Filled when the modules of calls are imported."""


def call(name: str, scope: Scope) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as a call: its first parameter is the `CallContext`, the others are what the client sends."""

    def register(run: Callable[..., Any]) -> Callable[..., Any]:
        CALLS[name] = QueueCall(name, scope, run)
        return run

    return register


Id = Annotated[int, Field(ge=0, lt=2**63)]
Ids = Annotated[list[Id], Field(max_length=100_000)]
Limit = Annotated[int, Field(ge=0, lt=2**63)]
Seconds = Annotated[float, Field(ge=0, lt=1e12)]


class Options(Input):
    """The base of options, of which `None` means not given. The queue checks their values."""

    def given(self) -> dict[str, Any]:
        """Return the options that are given."""
        return {name: value for name in self.model_fields_set if (value := getattr(self, name)) is not None}


class NewOptions(Options):
    """The options of a job to enqueue."""

    name: str | None = None
    queue: str | None = None
    priority: int | None = None
    delay: float | None = None
    at: float | None = None
    max_attempts: int | None = None
    timeout: float | None = None
    tags: list[str] | None = None
    backoff: list[float] | None = None
    expires: float | None = None
    expires_at: float | None = None
    unique: str | None = None
    unique_until: list[str] | None = None
    on_conflict: str | None = None
    after: list[Id] | None = None
    if_parent_fails: str | None = None


class EditedOptions(Options):
    """The options of a queued job that an edit changes."""

    name: str | None = None
    queue: str | None = None
    priority: int | None = None
    delay: float | None = None
    at: float | None = None
    max_attempts: int | None = None
    tags: list[str] | None = None


class JobRequest(Input):
    """A job to enqueue, as it was given to the client."""

    kind: str
    args: dict[str, Any]
    options: NewOptions


def checked_jobs(context: CallContext, requests: Iterable[JobRequest]) -> list[NewJob]:
    """Return the checked jobs. Raises as `Queue.new_job`, and `Denied`."""
    drafts = []
    for each in requests:
        context.allow_kind(each.kind)
        drafts.append(context.queue.new_job(each.kind, each.args, **each.options.given()))
    return drafts
