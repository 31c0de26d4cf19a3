"""The options of a job or a schedule in a form: what each is called, takes and says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobdeck import Job, Kind, Schedule, parse_duration

from ..text.format import span
from ..text.times import read_moment


@dataclass(frozen=True, slots=True)
class Option:
    """An option: its name in the form, what holds where it is left empty, a hint, and its flag on the command line."""

    name: str
    holder: str
    hint: str
    flag: str


_QUEUE = Option("queue", "the kind's queue", "where it waits", "--queue")
_PRIORITY = Option("priority", "0", "larger runs first", "--priority")
_ATTEMPTS = Option("max_attempts", "as the kind says", "how often it may start", "--max-attempts")
_TIMEOUT = Option("timeout", "none", "how long a try may take", "--timeout")
_TAGS = Option("tags", "none", "words to find it by", "--tag")

JOB_OPTIONS = (
    _QUEUE,
    _PRIORITY,
    Option("when", "now", "10m · 18:30 · 2026-01-31", ""),
    Option("expires", "never", "not worth starting later", "--expires"),
    Option("after", "no other job", "jobs to wait for: 41 42", "--after"),
    Option("unique", "none", "a key of this job alone", "--unique"),
    _ATTEMPTS,
    _TIMEOUT,
    _TAGS,
)
SCHEDULE_OPTIONS = (_QUEUE, _PRIORITY, _ATTEMPTS, _TIMEOUT, _TAGS)

#: Options where a form's field has another name than the engine's errors.
FIELD_OF = {
    "unique key": "unique",
    "expiry": "expires",
    "tag": "tags",
    "delay": "when",
    "time": "when",
    "name of a schedule": "name",
}


def read_option(name: str, text: str, now: float) -> tuple[str, Any]:
    """What was typed, as `Queue.draft` takes it: the option's name there, and its value.

    Raises:
        ValueError: it cannot be read. The message says what was expected.
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
                raise ValueError("takes ids of jobs, such as 41 42") from None
    return name, text


def _when(text: str, now: float) -> tuple[str, float]:
    try:
        return "delay", parse_duration(text)
    except ValueError:
        pass
    try:
        return "at", read_moment(text, now)
    except ValueError:
        raise ValueError(f"{text!r} is neither a while such as 90s or 10m nor a time such as 18:30") from None


def options_of(job: Job | Schedule) -> Mapping[str, str]:
    """The options that a job or a schedule has, as they are typed."""
    return {
        "queue": job.queue,
        "priority": str(job.priority),
        "max_attempts": str(job.max_attempts),
        "timeout": span(job.timeout) if job.timeout else "",
        "tags": " ".join(job.tags),
    }


def holder_of(option: Option, kind: Kind) -> str:
    """What holds where the option is left empty."""
    told = {"queue": kind.queue, "priority": str(kind.priority)}
    if option.name == "max_attempts" and kind.max_attempts:
        return str(kind.max_attempts)
    if option.name == "timeout" and kind.timeout:
        return span(kind.timeout)
    return told.get(option.name, option.holder)
