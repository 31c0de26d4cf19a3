"""Read files of jobs, one JSON object per line, and validate every line before any job is enqueued."""

from __future__ import annotations

import json
import sys
import time
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

import click

from jobdeck import JobdeckError, JobOptions, JobRequest, NewJob, Queue, did_you_mean, parse_duration

from .common import CommandError
from .job_options import read_backoff
from .param_types import parse_time

Reader = Callable[[Any], Any]
_CHECKED = 500
"""Lines that are checked at once: a queue on another machine checks them in one request."""


class BadLine(ValueError):
    """Report a line that does not describe a job."""


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise BadLine("must be text")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadLine("must be a whole number")
    return value


def _seconds(value: Any) -> float:
    if isinstance(value, str):
        return parse_duration(value)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise BadLine("must be a duration such as 90s or 10m, or a number of seconds")
    return float(value)


def _moment(value: Any) -> float:
    if not isinstance(value, str):
        raise BadLine("must be a time such as 2026-01-31T09:00")
    return parse_time(value)


def _words(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise BadLine("must be a list of words")
    return tuple(value)


def _states(value: Any) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else _words(value)


def _ids(value: Any) -> tuple[int, ...]:
    return tuple(map(_whole, value)) if isinstance(value, list) else (_whole(value),)


def _bounds(value: Any) -> tuple[float, ...]:
    if isinstance(value, str):
        return read_backoff(value)
    if not isinstance(value, list):
        raise BadLine('must be two durations such as ["2s", "10m"]')
    return tuple(map(_seconds, value))


#: Field of a line → (its parameter of `Queue.new_job`, its reader).
FIELDS: Mapping[str, tuple[str, Reader]] = {
    "name": ("name", _text),
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


def read_jobs(queue: Queue, name: str, kind: str | None, defaults: Mapping[str, Any]) -> list[NewJob]:
    """Validate every line of the file and return the jobs.

    Args:
        queue: the queue that will receive the jobs.
        name: the file; `-` is standard input.
        kind: the kind for lines that name none.
        defaults: options for lines that do not set them.

    Raises:
        CommandFailed: a line does not describe a job; the message has its number.
    """
    shown = "standard input" if name == "-" else name
    drafts: list[NewJob] = []
    read: list[tuple[int, JobRequest]] = []
    with click.open_file(name, "rb") as file:
        for number, line in _counted(file):
            try:
                read.append((number, _request(line.removeprefix(BOM_UTF8) if number == 1 else line, kind, defaults)))
            except ValueError as problem:
                _check(queue, read, shown)  # an earlier line may be wrong, too
                sentence = str(problem)
                raise _bad_line(shown, number, sentence[:1].lower() + sentence[1:]) from None
            if len(read) == _CHECKED:
                drafts += _check(queue, read, shown)
                read.clear()
    return [*drafts, *_check(queue, read, shown)]


def _check(queue: Queue, read: Sequence[tuple[int, JobRequest]], shown: str) -> Sequence[NewJob]:
    try:
        return queue.new_jobs(request for _, request in read) if read else ()
    except JobdeckError:
        for number, (kind, args, options) in read:
            try:
                queue.new_job(kind, args, **options)
            except JobdeckError as problem:
                raise _bad_line(shown, number, str(problem)) from None
        raise


def _bad_line(shown: str, number: int, sentence: str) -> CommandError:
    end = " Nothing was enqueued." if sentence.endswith("?") else "; nothing was enqueued."
    return CommandError(f"{shown}, line {number:,}: {sentence.rstrip('.')}{end}")


def _request(line: bytes, kind: str | None, defaults: Mapping[str, Any]) -> JobRequest:
    if line.startswith((BOM_UTF16_BE, BOM_UTF16_LE)):
        raise BadLine("the file is UTF-16 text; save it as UTF-8")
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError:
        raise BadLine("not UTF-8 text") from None
    except json.JSONDecodeError as problem:
        raise BadLine(f"not valid JSON ({problem.msg} at column {problem.colno})") from None
    except RecursionError:
        raise BadLine("nested too deeply") from None
    if not isinstance(value, dict):
        raise BadLine("must be a JSON object")
    unknown = sorted(set(value) - {"kind", "args", *FIELDS})
    if unknown:
        hint = did_you_mean(unknown[0], ("kind", "args", *FIELDS)) or f"; the fields are kind, args, {', '.join(FIELDS)}"
        raise BadLine(f"unknown field {unknown[0]!r}{hint}")
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
        raise BadLine("kind is missing" if chosen is None else "kind: must be text")
    if not isinstance(args, dict):
        raise BadLine("args: must be an object that maps argument names to values")
    return chosen, args, JobOptions(**options)  # type: ignore[typeddict-item]  # the readers have checked their types


def _counted(file: IO[Any]) -> Iterator[tuple[int, bytes]]:
    """Yield the non-blank lines with their numbers; on a terminal, show progress through long input."""
    shown_at = time.monotonic() + 0.5
    showing = False
    try:
        for number, line in enumerate(file, 1):
            if sys.stderr.isatty() and time.monotonic() >= shown_at:
                shown_at, showing = time.monotonic() + 0.1, True
                click.echo(f"\r{number:,} lines checked", nl=False, err=True)
            if line.removeprefix(BOM_UTF8).strip():
                yield number, line
    finally:
        if showing:
            click.echo("\r\x1b[K", nl=False, err=True)
