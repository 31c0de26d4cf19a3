"""The editable parts of a queued job as JSON text: format them, and parse the edited text with the line of each error. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from jobdeck import Job, JobdeckError, parse_duration, record

from ..text.arguments import editable_arguments, edited_arguments
from ..text.sanitize import safe_json
from ..text.times import local_time, parse_time

_OPTIONS = ("queue", "priority", "at", "max_attempts", "tags")
LARGEST = 256 << 10
"""The maximum number of characters of arguments that can be edited here."""

Changes = Mapping[str, Any]
"""Keyword arguments of `Queue.edit`."""


class EditError(Exception):
    """The text is invalid: the reason, and the line (from 0) if it is known."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem)
        self.problem, self.line = problem, line


@record
class EditDocument:
    """A part of a job that can be edited."""

    title: str
    text: str
    """The current text."""
    read: Callable[[str], Changes]
    """Returns the changes in an edited text; empty if nothing changed. Raises `EditError`."""
    hint: str = ""


def arguments_of(job: Job) -> EditDocument:
    """Return the arguments of a job for editing."""
    try:
        stored = job.args
    except JobdeckError:
        stored = None
    before = _pretty(job.args_json if stored is None else json.dumps(editable_arguments(job.kind, stored)))

    def read(text: str) -> Changes:
        if text == before:
            return {}
        return {"args": edited_arguments(job.kind, _object(text, "the arguments by name"), stored or {})}

    return EditDocument("arguments", before, read)


def options_of(job: Job) -> EditDocument:
    """Return the queue, time, attempts and tags of a job for editing."""
    current = {
        "queue": job.queue,
        "priority": job.priority,
        "at": local_time(job.scheduled_at),
        "max_attempts": job.max_attempts,
        "tags": list(job.tags),
    }
    before = _safe(json.dumps(current, indent=2, ensure_ascii=False))

    def read(text: str) -> Changes:
        changes: dict[str, Any] = {}
        for name, value in _object(text, "the options by name").items():
            line = line_of(text, name)
            if name not in _OPTIONS:
                raise EditError(f"{name} is unknown; use {', '.join(_OPTIONS)}", line)
            if value is None:
                raise EditError(f"{name} needs a value", line)
            if value == current[name]:
                continue
            if name == "at":
                changes |= _due(value, line)
            elif name == "tags" and not (isinstance(value, list) and all(isinstance(tag, str) for tag in value)):
                raise EditError("tags must be a list of words", line)
            else:
                changes[name] = value
        return changes

    return EditDocument("queue, time, tags", before, read, 'at takes "now", "in 10m", "18:30", "2026-01-31 09:00"')


def line_of(text: str, field: str) -> int | None:
    """Return the line (from 0) of a field in the document, such as `items.0.name`, or the nearest one found."""
    place = None
    for name in field.split("."):
        found = re.compile(rf"{re.escape(json.dumps(name, ensure_ascii=False))}\s*:").search(text, place or 0)
        if found is not None:
            place = found.start()
    return None if place is None else text.count("\n", 0, place)


def _due(value: Any, line: int | None) -> Changes:
    if not isinstance(value, str):
        raise EditError('at must be a text such as "now", "in 10m" or "18:30"', line)
    words = value.strip().lower()
    try:
        if words == "now":
            return {"delay": 0.0}
        return {"delay": parse_duration(words[3:].strip())} if words.startswith("in ") else {"at": parse_time(value)}
    except ValueError as problem:
        raise EditError(str(problem), line) from None


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        problem = error.msg[:1].lower() + error.msg[1:]
        raise EditError(f"line {error.lineno}, column {error.colno}: {problem}", error.lineno - 1) from None
    except (ValueError, RecursionError):
        raise EditError("the JSON cannot be parsed") from None
    if not isinstance(value, dict):
        raise EditError(f"must be a JSON object, {what}")
    return value


def _pretty(args_json: str) -> str:
    try:
        return _safe(json.dumps(json.loads(args_json), indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):
        return _safe(args_json)


def _safe(text: str) -> str:
    return "\n".join(map(safe_json, text.split("\n")))
