"""Converts rows to records, for every store."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields, make_dataclass
from typing import Any

from ..model.jobs import Attempt, Job, LogLine, Outcome, Reason
from ..model.states import State

_FIELDS = tuple(field.name for field in fields(Job))
#: The columns of a job, in the order of the record's fields.
JOB_COLUMNS = ", ".join(name.removesuffix("_json") for name in _FIELDS)
COLUMN_INDEX = {name: place for place, name in enumerate(_FIELDS)}
"""Field of a job → its index in a row of `JOB_COLUMNS`."""

# A frozen dataclass sets each field with object.__setattr__, which takes eight times as long as reading the row. So the record
# is created mutable, and frozen by changing its class to the frozen one of the same shape.
_MutableJob = make_dataclass("_Thawed", _FIELDS, slots=True)

Row = Sequence[Any]


def replace_surrogates(text: str | None) -> str | None:
    """Escape lone surrogates in the text: UTF-8, in which databases store text, has none."""
    return text if text is None or text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def one_line(text: str, limit: int = 500) -> str:
    """Put the text on one line, cut to `limit` characters."""
    # SQL's LIKE reads no further than a NUL in SQLite, and PostgreSQL keeps none.
    flat = " ".join((replace_surrogates(text) or "").replace("\0", "\ufffd").split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


_STATE, _LEASE_UNTIL, _CANCELLING = COLUMN_INDEX["state"], COLUMN_INDEX["lease_until"], COLUMN_INDEX["cancelling"]
_REASON, _TAGS = COLUMN_INDEX["reason"], COLUMN_INDEX["tags"]
_STATES = {state.value: state for state in State}


def job_reader(skew: float) -> Callable[[Row], Job]:
    """Return a function that converts a row of `JOB_COLUMNS` to a record.

    Args:
        skew: wall clock minus the clock that leases are measured on, in seconds, to show when a lease ends.
    """

    def job(row: Row) -> Job:
        values = list(row)
        values[_STATE] = _STATES[values[_STATE]]
        if values[_LEASE_UNTIL] is not None:
            values[_LEASE_UNTIL] += skew
        values[_CANCELLING] = values[_CANCELLING] == 1
        if values[_REASON] is not None:
            values[_REASON] = Reason(values[_REASON])
        values[_TAGS] = parse_tags(values[_TAGS])
        made: Any = _MutableJob(*values)
        made.__class__ = Job
        return made  # type: ignore[no-any-return]

    return job


def make_job(values: Sequence[Any]) -> Job:
    """Create a record from values in the order of its fields."""
    made: Any = _MutableJob(*values)
    made.__class__ = Job
    return made  # type: ignore[no-any-return]


def parse_tags(text: str) -> tuple[str, ...]:
    """Parse stored tags; unreadable ones count as none, so that one bad row stops no other."""
    if text == "[]":
        return ()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    return tuple(str(tag) for tag in found) if isinstance(found, list) else ()


ATTEMPT_COLUMNS = "job_id, number, worker, started_at, finished_at, outcome, error_type, message, traceback, late_at"


def make_attempt(row: Row) -> Attempt:
    """Convert a row of `ATTEMPT_COLUMNS` to a record."""
    return Attempt(
        job_id=row[0],
        number=row[1],
        worker=row[2],
        started_at=row[3],
        finished_at=row[4],
        outcome=Outcome(row[5]),
        error_type=row[6],
        message=row[7],
        traceback=row[8],
        late_at=row[9],
    )


LOG_COLUMNS = "id, job_id, attempt, at, level, text"


def make_log_line(row: Row) -> LogLine:
    """Convert a row of `LOG_COLUMNS` to a record."""
    return LogLine(id=row[0], job_id=row[1], attempt=row[2], at=row[3], level=row[4], text=row[5])
