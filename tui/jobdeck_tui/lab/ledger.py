"""The append-only ledger of an experiment: each run of a handler appends lines, which are never changed.

The verdicts are counted from it, and from the committed rows of the database. A line is one `write` to a file that is open for
appending, so that lines of several processes neither mix nor overwrite each other, and survive `kill -9`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from jobdeck import record


@record
class LedgerLine:
    """One line of a ledger."""

    at: float
    """Seconds on the machine's monotonic clock, which all processes share."""
    event: str
    """`start` and `end` of a handler, `effect`, `kill`, …"""
    job: int | None = None
    attempt: int | None = None
    pid: int | None = None
    """The process that wrote the line, or that it is about."""
    more: Mapping[str, Any] = field(default_factory=dict)


def append(path: str | Path, event: str, job: int | None = None, attempt: int | None = None, **more: Any) -> None:
    """Append a line to a ledger.

    Args:
        path: the file; created if it does not exist.
        event: the event.
        job: the job's id.
        attempt: the number of the attempt.
        more: `pid` if it is not this process, and anything else that a verdict counts.
    """
    line = {"at": time.monotonic(), "event": event, "job": job, "attempt": attempt, "pid": os.getpid(), **more}
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, json.dumps(line).encode() + b"\n")
    finally:
        os.close(descriptor)


class LedgerReader:
    """Reads a ledger, each line once."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._offset = 0

    def read(self) -> Sequence[LedgerLine]:
        """Return the lines since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [_parse(line) for line in whole.splitlines()]


def read_ledger(path: str | Path) -> Sequence[LedgerLine]:
    """Return all lines of a ledger; none if it does not exist."""
    return LedgerReader(path).read()


def _parse(line: bytes) -> LedgerLine:
    values = json.loads(line)
    own = {name: values.pop(name) for name in ("at", "event", "job", "attempt", "pid")}
    return LedgerLine(**own, more=values)
