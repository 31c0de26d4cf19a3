"""The language of a worker and its child processes: messages of plain lists, one JSON document a line.

JSON, not pickle: reading it runs no code, so that whatever a handler writes into the wrong file descriptor, or
a child says in its last throes, is at worst a line that cannot be read. One message carries many jobs, or many
endings, because what costs is the message.

To the child::

    ["hello", {…}]                                    what to load, and how many threads
    ["run", [job, …]]                                 see `job_row`
    ["stop", slot, cancelled, interrupted, lost, grace]   see `Context.ask_to_stop`
    ["recall", [slot, …]]                             give back those that have not begun
    ["threads", n]
    ["where", slot]                                   where is its code? See `frames.py`
    ["end"]                                           all is done, come to an end

From the child::

    ["ready", [kind, …]]   or   ["refused", sentence]
    ["told", [[slot, progress or null, [[at, level, text], …]], …], [ending, …], left]

where `left` says that processes may be left which the last of the ended jobs began. And ["record", level, logger,
text] for what is logged, ["where", slot, answer] where a job's code is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from enum import Enum
from operator import attrgetter
from typing import Any, get_args, get_type_hints

from ..model.attempt_result import Completion, Ending, Failure, Nap, Release, Stop
from ..model.jobs import Job
from ..model.states import State

Message = list[Any]
Row = list[Any]

LONG_LINE = 1 << 16
"""A printed line longer than this is logged in pieces, in bytes or characters."""

_dump = json.JSONEncoder(separators=(",", ":")).encode
_load = json.JSONDecoder().decode


def pack(message: Sequence[Any]) -> bytes:
    """The message as a line."""
    return (_dump(message) + "\n").encode("ascii")


class Lines:
    """Puts the pieces that a socket or pipe delivers together into lines."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are whole now."""
        *lines, rest = data.split(b"\n")
        if not lines:
            self._pieces.append(rest)  # a long line: joined once, when it is whole
            return []
        lines[0] = b"".join((*self._pieces, lines[0]))
        self._pieces = [rest] if rest else []
        return lines

    def rest_is_long(self) -> bool:
        """Whether the piece of a line that has come so far is longer than a printed line should be."""
        return sum(map(len, self._pieces)) > LONG_LINE

    def rest(self) -> bytes:
        """What came after the last whole line."""
        rest, self._pieces = b"".join(self._pieces), []
        return rest


def unpack(lines: Sequence[bytes]) -> Iterator[Message]:
    """The messages in these lines.

    Raises:
        ValueError: one is not a message.
    """
    for line in lines:
        message = _load(line.decode())
        if not isinstance(message, list) or not message:
            raise ValueError(f"not a message: {line[:80]!r}")
        yield message


# What only the holder of the lease needs to know, and what a running job cannot have.
_KEPT = {"state", "worker", "lease", "lease_until", "cancelling", "progress", "result_json", "error", "reason", "finished_at"}
_SENT = tuple(each.name for each in fields(Job) if each.name not in _KEPT)
_sent_of = attrgetter(*_SENT)


def job_row(slot: int, job: Job) -> Row:
    """A job as it is sent: `slot` names it on this line until it has ended."""
    return [slot, *_sent_of(job)]


def job_of(row: Row) -> tuple[int, Job]:
    """What `job_row` made, with its slot."""
    values = dict(zip(_SENT, row[1:], strict=True))
    values["tags"] = tuple(values["tags"])
    return row[0], Job(state=State.RUNNING, **values)


_ENDINGS: tuple[type[Ending], ...] = (Completion, Failure, Nap, Release, Stop)


def _plain(value: Any) -> Any:
    return value


def _reader(hint: Any) -> Callable[[Any], Any]:
    for each in (hint, *get_args(hint)):
        if isinstance(each, type) and issubclass(each, Enum):
            return lambda value, enum=each: None if value is None else enum(value)  # type: ignore[misc]
    return _plain


def _shape(kind: type[Ending]) -> tuple[Callable[[Any], tuple[Any, ...]], list[Callable[[Any], Any]]]:
    names = [each.name for each in fields(kind) if each.name != "job"]
    hints = get_type_hints(kind)
    return attrgetter(*names), [_reader(hints[name]) for name in names]


_SHAPES = [_shape(kind) for kind in _ENDINGS]
_NUMBERS: dict[type[Ending], int] = {kind: number for number, kind in enumerate(_ENDINGS)}


def ending_row(slot: int, ending: Ending) -> Row:
    """An ending as it is sent."""
    number = _NUMBERS[type(ending)]
    return [slot, number, *_SHAPES[number][0](ending)]


def ending_of(row: Row, job: Job) -> Ending:
    """What `ending_row` made; `job` is the job as it was claimed, with the lease that the child never saw."""
    _, readers = _SHAPES[row[1]]
    return _ENDINGS[row[1]](job, *[read(value) for read, value in zip(readers, row[2:], strict=True)])
