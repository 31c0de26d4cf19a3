"""The protocol between a worker and its child processes: messages are JSON arrays, one per line.

JSON instead of pickle: parsing it runs no code, so data that a handler writes to the wrong file descriptor, or that a
crashing child sends, is at worst a line that cannot be parsed. One message carries many jobs or results, because the
cost is per message.

To the child::

    ["hello", {…}]                                    the modules to load, and the number of threads
    ["run", [job, …]]                                 run jobs; see `encode_job`
    ["stop", ticket, cancelled, interrupted, lost, grace]   stop a job; see `Context.request_stop`
    ["recall", [ticket, …]]                           release those jobs that have not started
    ["threads", n]                                    set the number of threads
    ["stack", ticket]                                 capture the stack of a job; see `stack_capture.py`
    ["finish"]                                        exit once idle

From the child::

    ["ready", [kind, …]]   or   ["refused", sentence]
    ["results", [[ticket, [fraction, message] or null, [[at, level, text], …]], …], [result, …], left]
    ["record", level, logger, text, fields]           a log record; see `job_log.record_fields`
    ["stack", ticket, reply]                          the reply to a stack request

A *ticket* stands for the lease of a job, which the child never sees: it is issued once on a connection, for one job. Its
remainder by `SLOTS` is the place of the job in the shared page, which is used again. `left` reports whether processes that
the last finished job started may still run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from enum import Enum
from operator import attrgetter
from typing import Any, get_args, get_type_hints

from ..json_functions import json
from ..model.attempt_result import AttemptResult, Cancelled, Completed, Failed, Released, Snoozed
from ..model.jobs import Job
from ..model.states import State

Message = list[Any]
Row = list[Any]

SLOTS = 1024
"""The maximum number of jobs that one child process can hold."""

LONG_LINE = 1 << 16
"""The length, in bytes or characters, above which a printed line is logged in pieces."""

_dump = json.JSONEncoder(separators=(",", ":")).encode
_load = json.JSONDecoder().decode


def pack(message: Sequence[Any]) -> bytes:
    """Encode a message as one line."""
    return (_dump(message) + "\n").encode("ascii")


class LineBuffer:
    """Assembles the chunks read from a socket or pipe into lines."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """Add a chunk and return the lines that are complete now."""
        *lines, rest = data.split(b"\n")
        if not lines:
            self._pieces.append(rest)  # a long line: joined once, when complete
            return []
        lines[0] = b"".join((*self._pieces, lines[0]))
        self._pieces = [rest] if rest else []
        return lines

    def rest_is_long(self) -> bool:
        """Report whether the incomplete line is longer than `LONG_LINE`."""
        return sum(map(len, self._pieces)) > LONG_LINE

    def rest(self) -> bytes:
        """Remove and return the incomplete line."""
        rest, self._pieces = b"".join(self._pieces), []
        return rest


def split_utf8(data: bytes) -> tuple[bytes, bytes]:
    """Split data before the character at its end, if that is incomplete."""
    for size in range(1, min(3, len(data)) + 1):
        first = data[-size]
        if first >= 0xC0:  # the first byte of a character of two bytes or more
            return (data[:-size], data[-size:]) if size < (2 if first < 0xE0 else 3 if first < 0xF0 else 4) else (data, b"")
        if first < 0x80:
            break
    return data, b""


def unpack(lines: Sequence[bytes]) -> Iterator[Message]:
    """Decode the messages in these lines.

    Raises:
        ValueError: a line is not a message.
    """
    for line in lines:
        message = _load(line.decode())
        if not isinstance(message, list) or not message:
            raise ValueError(f"not a message: {line[:80]!r}")
        yield message


# Fields that only the holder of the lease needs, and fields that a running job does not have.
_NOT_SENT = {
    "state",
    "worker",
    "lease",
    "lease_until",
    "cancelling",
    "progress",
    "progress_message",
    "result_json",
    "error",
    "reason",
    "finished_at",
}
_SENT = tuple(each.name for each in fields(Job) if each.name not in _NOT_SENT)
_sent_fields = attrgetter(*_SENT)


def encode_job(ticket: int, job: Job) -> Row:
    """Encode a job; `ticket` identifies it on this connection."""
    return [ticket, *_sent_fields(job)]


def decode_job(row: Row) -> tuple[int, Job]:
    """Decode a row of `encode_job`; return the ticket and the job."""
    values = dict(zip(_SENT, row[1:], strict=True))
    values["tags"] = tuple(values["tags"])
    return row[0], Job(state=State.RUNNING, **values)


_RESULT_TYPES: tuple[type[AttemptResult], ...] = (Completed, Failed, Snoozed, Released, Cancelled)


def _unchanged(value: Any) -> Any:
    return value


def _reader(hint: Any) -> Callable[[Any], Any]:
    for each in (hint, *get_args(hint)):
        if isinstance(each, type) and issubclass(each, Enum):
            return lambda value, enum=each: None if value is None else enum(value)  # type: ignore[misc]
    return _unchanged


def _codec(kind: type[AttemptResult]) -> tuple[Callable[[Any], tuple[Any, ...]], list[Callable[[Any], Any]]]:
    names = [each.name for each in fields(kind) if each.name != "job"]
    hints = get_type_hints(kind)
    return attrgetter(*names), [_reader(hints[name]) for name in names]


_CODECS = [_codec(kind) for kind in _RESULT_TYPES]
_TYPE_NUMBERS: dict[type[AttemptResult], int] = {kind: number for number, kind in enumerate(_RESULT_TYPES)}


def encode_result(ticket: int, result: AttemptResult) -> Row:
    """Encode the result of a job."""
    number = _TYPE_NUMBERS[type(result)]
    return [ticket, number, *_CODECS[number][0](result)]


def decode_result(row: Row, job: Job) -> AttemptResult:
    """Decode a row of `encode_result`; `job` is the job as claimed, with the lease that the child never saw."""
    _, readers = _CODECS[row[1]]
    return _RESULT_TYPES[row[1]](job, *[read(value) for read, value in zip(readers, row[2:], strict=True)])
