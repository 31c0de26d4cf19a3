"""Validate the kind, arguments and options of a job before it is enqueued."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypedDict

from ..clock import Clock
from ..model.backoff import parse_bounds, write_bounds
from ..model.environment import masked_variable
from ..model.errors import InvalidArguments, InvalidOption
from ..model.jobs import IfParentFails, NewJob, OnConflict
from ..model.kind_names import SHELL, kind_of_command, name_in_kind
from ..model.states import FINAL, State
from ..model.trace_context import join_trace
from ..settings import Settings
from .definition import Handler
from .registry import Entry

PRIORITIES = range(-1_000_000, 1_000_001)
NAME_LENGTH = 200
_COMMAND_NAME_LENGTH = 100
_KEY_LENGTH = 500
_FAR = 1e10
"""Seconds: 300 years. A longer time is a mistake."""


class JobOptions(TypedDict, total=False):
    """The options of a job. If an option is missing or `None`, the kind or the settings decide."""

    name: str | None
    """The name of a command, a part of its kind: `shell:NAME` (default: the base name of its program)."""
    queue: str | None
    """The queue (default: that of the kind)."""
    priority: int | None
    """The priority; larger runs first (default: that of the kind)."""
    delay: float | None
    """Seconds from now until it is due."""
    at: float | None
    """The due time in seconds since 1970 UTC; cannot be combined with `delay`."""
    max_attempts: int | None
    """Maximum number of attempts (default: that of the kind, or JOBDECK_MAX_ATTEMPTS)."""
    timeout: float | None
    """Timeout of an attempt in seconds (default: that of the kind, or JOBDECK_TIMEOUT)."""
    tags: Sequence[str]
    """Tags to find the job by."""
    backoff: tuple[float, float] | None
    """The first step and the maximum of the backoff, in seconds (default: those of the kind)."""
    expires: float | None
    """Seconds from now within which the job must start; otherwise it fails as expired."""
    expires_at: float | None
    """The same as a time in seconds since 1970 UTC; cannot be combined with `expires`."""
    unique: str | None
    """A key that at most one job holds unless it is final."""
    unique_until: Collection[State | str]
    """Final states in which a job still holds its key."""
    on_conflict: OnConflict | str
    """What to do if another job holds the key: `return` it, `replace` its arguments, priority and time, or `refuse`."""
    after: Sequence[int]
    """Ids of jobs that must complete first."""
    if_parent_fails: IfParentFails | str
    """What to do if one of them fails or is cancelled: `cancel` this job, too, `run` it anyway, or `wait`."""
    traceparent: str | None
    """The trace that it belongs to, as W3C Trace Context writes it (default: that of the code that enqueues it)."""
    tracestate: str | None
    """The `tracestate` that belongs to the `traceparent`."""


def build_new_job(entry: Entry, args: Mapping[str, Any], options: JobOptions, settings: Settings, clock: Clock) -> NewJob:
    """Validate a job of this kind.

    Raises:
        InvalidArguments: an argument does not fit the handler's signature, or would not reach it unchanged.
        ArgumentsTooLarge: the arguments exceed JOBDECK_MAX_ARGS_BYTES.
        InvalidOption: an option is out of range.
    """
    args_json = check_arguments(entry, args, settings)
    return build_checked_job(entry, kind_with_name(entry, args, options), args_json, options, settings, clock)


def check_arguments(entry: Entry, args: Mapping[str, Any], settings: Settings) -> str:
    """Return the arguments as JSON. Raises `InvalidArguments`, `ArgumentsTooLarge`."""
    if entry.kind == SHELL and (variable := masked_variable(args)) is not None:
        raise InvalidArguments(SHELL, "env", f"has the mask of a secret as the value of {variable}; give the value itself")
    return entry.check(args, settings.max_args_bytes)


def kind_with_name(entry: Entry, args: Mapping[str, Any], options: JobOptions) -> str:
    """Return the kind of a job: of a command, with its name. Raises `InvalidOption`."""
    name = options.get("name")
    if entry.kind != SHELL:
        if name is not None:
            raise InvalidOption("name", f"is for commands, which are of kind {SHELL}; not for {entry.kind}")
        return entry.kind
    if name is None:
        from .command_name import name_of_arguments  # imported late: only commands need it

        name = name_of_arguments(args)
    return entry.kind if name is None else kind_of_command(check_command_name(name))


def with_name(kind: str | Handler, options: JobOptions) -> JobOptions:
    """Return the options with the name that the kind of a command has, as in `shell:gzip`. Raises `InvalidOption`."""
    name = name_in_kind(kind) if isinstance(kind, str) else None
    if name is None:
        return options
    if options.get("name") not in (None, name):
        raise InvalidOption("name", f"must be that of the kind, {name!r}")
    return {**options, "name": name}


def build_checked_job(entry: Entry, kind: str, args_json: str, options: JobOptions, settings: Settings, clock: Clock) -> NewJob:
    """Validate the options of a job whose arguments were checked. Raises `InvalidOption`."""
    if not options:
        return _plain(entry, kind, args_json, settings)
    unknown = options.keys() - JobOptions.__annotations__.keys()
    if unknown:
        raise TypeError(
            f"unknown job options: {', '.join(sorted(unknown))}; options are {', '.join(JobOptions.__annotations__)}"
        )
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    timeout = given.get("timeout", entry.timeout if entry.timeout is not None else settings.timeout)
    attempts = given.get("max_attempts", entry.max_attempts or settings.max_attempts)
    check_attempts(attempts)
    if not 0 <= timeout < _FAR:
        raise InvalidOption("timeout", "must be from 0 seconds to 300 years")
    now = clock.now()
    due = resolve_time(given.get("delay"), given.get("at"), "delay", now)
    if given.get("delay") == 0:
        due = None  # it is due as soon as it is enqueued
    expires_at = resolve_time(given.get("expires"), given.get("expires_at"), "expiry", now)
    if expires_at is not None and expires_at <= max(now, due or now):
        raise InvalidOption("expiry", "must be later than the due time of the job")
    return NewJob(
        kind=kind,
        args_json=args_json,
        queue=check_name(given.get("queue", entry.queue)),
        priority=check_priority(given.get("priority", entry.priority)),
        max_attempts=attempts,
        scheduled_at=due,
        timeout=timeout or None,
        tags=check_tags(given.get("tags", ())),
        backoff_json=_backoff_json(given["backoff"]) if "backoff" in given else None,
        expires_at=expires_at,
        unique_key=_key(given["unique"]) if "unique" in given else None,
        unique_final=_final_states(given.get("unique_until", ())),
        on_conflict=_one_of(OnConflict, given.get("on_conflict", OnConflict.RETURN), "on_conflict"),
        after=_after(given.get("after", ())),
        if_parent_fails=_one_of(IfParentFails, given.get("if_parent_fails", IfParentFails.CANCEL), "if_parent_fails"),
        trace=_trace(given.get("traceparent"), given.get("tracestate")),
    )


def _plain(entry: Entry, kind: str, args_json: str, settings: Settings) -> NewJob:
    """Return a job with the defaults of its kind and the settings."""
    timeout = entry.timeout if entry.timeout is not None else settings.timeout
    return NewJob(
        kind=kind,
        args_json=args_json,
        queue=check_name(entry.queue),
        priority=check_priority(entry.priority),
        max_attempts=entry.max_attempts or settings.max_attempts,
        timeout=timeout or None,
    )


def check_name(queue: str) -> str:
    """Return the name if it can be the name of a queue; otherwise raise `InvalidOption`."""
    if not isinstance(queue, str) or not 0 < len(queue) <= NAME_LENGTH or not queue.isprintable():
        raise InvalidOption("queue", f"must be a name of 1 to {NAME_LENGTH} printable characters")
    return queue


def check_command_name(name: str) -> str:
    """Return the name if it can be the name of a command; otherwise raise `InvalidOption`."""
    if not isinstance(name, str) or not 0 < len(name) <= _COMMAND_NAME_LENGTH or not name.isprintable():
        raise InvalidOption("name", f"must have 1 to {_COMMAND_NAME_LENGTH} printable characters")
    return name


def check_batch_name(name: str) -> str:
    """Return the name if it is empty or can be the name of a batch; otherwise raise `InvalidOption`."""
    if not isinstance(name, str) or len(name) > NAME_LENGTH or not name.isprintable():
        raise InvalidOption("batch name", f"must have at most {NAME_LENGTH} printable characters")
    return name


def check_priority(priority: int) -> int:
    """Return the priority if it is valid; otherwise raise `InvalidOption`."""
    if not isinstance(priority, int) or priority not in PRIORITIES:
        raise InvalidOption("priority", f"must be a whole number from {PRIORITIES[0]:,} to {PRIORITIES[-1]:,}")
    return priority


def check_attempts(attempts: int) -> int:
    """Return the maximum number of attempts if it is valid; otherwise raise `InvalidOption`."""
    if not isinstance(attempts, int) or not 1 <= attempts <= 1000:
        raise InvalidOption("max_attempts", "must be a whole number from 1 to 1,000")
    return attempts


def resolve_time(delay: float | None, at: float | None, name: str, now: float) -> float | None:
    """Return the time that is given as a delay or as a time; `None` if neither is. Raises `InvalidOption`."""
    if delay is not None and at is not None:
        raise InvalidOption(name, "cannot be combined with a time; use one of them")
    if delay is not None and not 0 <= delay < _FAR:
        raise InvalidOption(name, "must be from 0 seconds to 300 years")
    if at is not None and not 0 <= at < 2 * _FAR:
        raise InvalidOption("time" if name == "delay" else name, "must be in seconds since 1970, and within the next 300 years")
    return at if delay is None else now + delay


def check_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Return the tags if they are valid; otherwise raise `InvalidOption`."""
    if isinstance(tags, str):
        tags = (tags,)
    if any(not isinstance(tag, str) or not tag or not tag.isprintable() or len(tag) > NAME_LENGTH for tag in tags):
        raise InvalidOption("tag", f"must be a word of 1 to {NAME_LENGTH} printable characters")
    return tuple(tags)


def _backoff_json(pair: Sequence[float]) -> str:
    try:
        return write_bounds(parse_bounds(pair))
    except ValueError as problem:
        raise InvalidOption("backoff", str(problem)) from None


def _key(key: str) -> str:
    if not isinstance(key, str) or not 0 < len(key) <= _KEY_LENGTH or not key.isprintable():
        raise InvalidOption("unique key", f"must have 1 to {_KEY_LENGTH} printable characters")
    return key


def _trace(traceparent: str | None, tracestate: str | None) -> str | None:
    if traceparent is None:
        if tracestate is not None:
            raise InvalidOption("tracestate", "belongs to a traceparent, which is missing")
        return None
    found = join_trace(traceparent, tracestate) if isinstance(traceparent, str) else None
    if found is None:
        raise InvalidOption("traceparent", "must be one of W3C Trace Context: 00-TRACE-SPAN-FLAGS, in hexadecimal digits")
    return found


def _final_states(states: Iterable[State | str]) -> frozenset[State]:
    chosen = {_one_of(State, state, "unique_until") for state in ([states] if isinstance(states, str) else states)}
    if not chosen <= FINAL:
        raise InvalidOption(
            "unique_until",
            f"must contain final states only: {', '.join(sorted(FINAL))}; jobs in other states always hold their key",
        )
    return frozenset(chosen)


def _after(ids: Sequence[int]) -> tuple[int, ...]:
    wanted = [ids] if isinstance(ids, int) else ids
    if any(not isinstance(each, int) or isinstance(each, bool) for each in wanted):
        raise InvalidOption("after", "must be the ids of jobs")
    return tuple(dict.fromkeys(wanted))


def _one_of(choices: Any, value: Any, name: str) -> Any:
    try:
        return choices(value)
    except ValueError:
        raise InvalidOption(name, f"must be one of {', '.join(choices)}, not {value!r}") from None
