"""The options of a job or a schedule in a form: names, placeholders, hints and parsing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobdeck import Job, Kind, Schedule, parse_duration, record

from ..text.format import span
from ..text.times import parse_time


@record
class Option:
    """An option: its name in the form, the placeholder for its default, a hint, and its flag on the command line."""

    name: str
    placeholder: str
    hint: str
    flag: str


_QUEUE = Option("queue", "the kind's queue", "queue of the job", "--queue")
_PRIORITY = Option("priority", "0", "larger runs first", "--priority")
_ATTEMPTS = Option("max_attempts", "the kind's default", "including the first", "--max-attempts")
_TIMEOUT = Option("timeout", "none", "time limit of an attempt", "--timeout")
_TAGS = Option("tags", "none", "words to filter by", "--tag")

JOB_OPTIONS = (
    _QUEUE,
    _PRIORITY,
    Option("when", "now", "10m · 18:30 · 2026-01-31", ""),
    Option("expires", "never", "fails if not started", "--expires"),
    Option("after", "no other job", "wait for jobs: 41 42", "--after"),
    Option("unique", "none", "unique key of the job", "--unique"),
    Option("name", "its program", "name of a command", "--name"),
    _ATTEMPTS,
    _TIMEOUT,
    _TAGS,
)
SCHEDULE_OPTIONS = (_QUEUE, _PRIORITY, _ATTEMPTS, _TIMEOUT, _TAGS)

#: The engine's name of an option → the name of the form's field, if they differ.
FIELD_OF = {
    "unique key": "unique",
    "expiry": "expires",
    "tag": "tags",
    "delay": "when",
    "time": "when",
    "name of a schedule": "name",
}


def read_option(name: str, text: str, now: float) -> tuple[str, Any]:
    """Parse a typed option into the name and value that `Queue.new_job` takes.

    Raises:
        ValueError: the text cannot be parsed. The message says what was expected.
    """
    match name:
        case "priority" | "max_attempts":
            try:
                return name, int(text.replace(",", ""))
            except ValueError:
                raise ValueError("must be a whole number") from None
        case "when":
            return _when(text, now)
        case "timeout" | "expires":
            return name, parse_duration(text)
        case "tags":
            return name, text.split()
        case "after":
            try:
                return name, [int(word) for word in text.replace(",", " ").split()]
            except ValueError:
                raise ValueError("must be ids of jobs such as 41 42") from None
    return name, text


def _when(text: str, now: float) -> tuple[str, float]:
    try:
        return "delay", parse_duration(text)
    except ValueError:
        pass
    try:
        return "at", parse_time(text, now)
    except ValueError:
        raise ValueError(f"{text!r} is neither a duration such as 90s or 10m nor a time such as 18:30") from None


def options_of(job: Job | Schedule) -> Mapping[str, str]:
    """Return the options of a job or a schedule as they are typed."""
    return {
        "queue": job.queue,
        "priority": str(job.priority),
        "max_attempts": str(job.max_attempts),
        "timeout": span(job.timeout) if job.timeout else "",
        "tags": " ".join(job.tags),
    }


def placeholder_for(option: Option, kind: Kind) -> str:
    """Return the placeholder that shows the default of the option."""
    defaults = {"queue": kind.queue, "priority": str(kind.priority)}
    if option.name == "max_attempts" and kind.max_attempts:
        return str(kind.max_attempts)
    if option.name == "timeout" and kind.timeout:
        return span(kind.timeout)
    return defaults.get(option.name, option.placeholder)
