"""Files of jobs: one JSON object a line. All lines are read and checked before any job is enqueued."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

import click

from jobdeck import JobdeckError, NewJob, Queue, parse_duration

from .common import Refused
from .job_options import read_backoff
from .param_types import read_moment

Reader = Callable[[Any], Any]


class BadLine(ValueError):
    """A line says something that cannot be enqueued."""


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise BadLine("takes text")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadLine("takes a whole number")
    return value


def _seconds(value: Any) -> float:
    if isinstance(value, str):
        return parse_duration(value)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise BadLine("takes a duration such as 90s or 10m, or a number of seconds")
    return float(value)


def _moment(value: Any) -> float:
    if not isinstance(value, str):
        raise BadLine("takes a time such as 2026-01-31T09:00")
    return read_moment(value)


def _words(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise BadLine("takes a list of words")
    return tuple(value)


def _states(value: Any) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else _words(value)


def _ids(value: Any) -> tuple[int, ...]:
    return tuple(map(_whole, value)) if isinstance(value, list) else (_whole(value),)


def _bounds(value: Any) -> tuple[float, ...]:
    if isinstance(value, str):
        return read_backoff(value)
    if not isinstance(value, list):
        raise BadLine('takes two durations such as ["2s", "10m"]')
    return tuple(map(_seconds, value))


#: Field of a line → (what `Queue.draft` calls it, how it is read).
FIELDS: Mapping[str, tuple[str, Reader]] = {
    "queue": ("queue", _text),
    "priority": ("priority", _whole),
    "in": ("delay", _seconds),
    "at": ("at", _moment),
    "max_attempts": ("max_attempts", _whole),
    "timeout": ("timeout", _seconds),
    "tags": ("tags", _words),
    "backoff": ("backoff", _bounds),
    "expires": ("expires", _seconds),
    "unique": ("unique", _text),
    "unique_until": ("unique_until", _states),
    "on_conflict": ("on_conflict", _text),
    "after": ("after", _ids),
    "if_parent_fails": ("if_parent_fails", _text),
}


def read_drafts(queue: Queue, name: str, kind: str | None, defaults: Mapping[str, Any]) -> list[NewJob]:
    """Check every line of the file and return the jobs.

    Args:
        queue: what the jobs are for.
        name: the file; `-` is standard input.
        kind: the kind of lines that name none.
        defaults: options of lines that do not say otherwise.

    Raises:
        Refused: a line cannot be enqueued; the message tells its number.
    """
    shown = "standard input" if name == "-" else name
    drafts: list[NewJob] = []
    with click.open_file(name, "rb") as file:
        for number, line in _counted(file):
            try:
                drafts.append(_draft(queue, line, kind, defaults))
            except (JobdeckError, ValueError) as problem:
                sentence = str(problem)
                sentence = sentence[:1].lower() + sentence[1:] if isinstance(problem, ValueError) else sentence
                raise Refused(f"{shown}, line {number:,}: {sentence.rstrip('.')}; nothing was enqueued.") from None
    return drafts


def _draft(queue: Queue, line: bytes, kind: str | None, defaults: Mapping[str, Any]) -> NewJob:
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError:
        raise BadLine("this is not UTF-8 text") from None
    except json.JSONDecodeError as problem:
        raise BadLine(f"this is not JSON ({problem.msg} at column {problem.colno})") from None
    except RecursionError:
        raise BadLine("this is nested too deep") from None
    if not isinstance(value, dict):
        raise BadLine("a line holds one JSON object")
    unknown = sorted(set(value) - {"kind", "args", *FIELDS})
    if unknown:
        raise BadLine(f"there is no field {unknown[0]!r}; fields are kind, args, {', '.join(FIELDS)}")
    options = dict(defaults)
    for field, (option, read) in FIELDS.items():
        if value.get(field) is not None:
            try:
                options[option] = read(value[field])
            except ValueError as problem:
                raise BadLine(f"{field}: {problem}") from None
    if value.get("at") is not None and value.get("in") is None:
        options.pop("delay", None)
    elif value.get("in") is not None and value.get("at") is None:
        options.pop("at", None)
    chosen = value.get("kind", kind)
    args = value.get("args", {})
    if not isinstance(chosen, str):
        raise BadLine("kind is missing" if chosen is None else "kind: takes text")
    if not isinstance(args, dict):
        raise BadLine("args: takes an object with the arguments by name")
    return queue.new_job(chosen, args, **options)


def _counted(file: IO[Any]) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers; on a terminal, long input shows how far it is."""
    shown_at = time.monotonic() + 0.5
    showing = False
    try:
        for number, line in enumerate(file, 1):
            if sys.stderr.isatty() and time.monotonic() >= shown_at:
                shown_at, showing = time.monotonic() + 0.1, True
                click.echo(f"\r{number:,} lines checked", nl=False, err=True)
            if line.strip():
                yield number, line
    finally:
        if showing:
            click.echo("\r\x1b[K", nl=False, err=True)
