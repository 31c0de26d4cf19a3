"""Rows become records here, whichever store they come from."""

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
"""Field of a job → its place in a row of `JOB_COLUMNS`."""

# A frozen dataclass sets each field by way of object.__setattr__, which takes eight times as long as it takes to read the
# row. So the record is made thawed, and frozen by becoming what it has the shape of.
_MutableJob = make_dataclass("_Thawed", _FIELDS, slots=True)

Row = Sequence[Any]


def replace_surrogates(text: str | None) -> str | None:
    """The text with lone surrogates spelled out: UTF-8, in which databases keep text, has none."""
    return text if text is None or text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def one_line(text: str, limit: int = 500) -> str:
    """The text on one line, cut to `limit` characters."""
    # SQL's LIKE reads no further than a NUL in SQLite, and PostgreSQL keeps none.
    flat = " ".join((replace_surrogates(text) or "").replace("\0", "\ufffd").split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


_STATE, _LEASE_UNTIL, _CANCELLING = COLUMN_INDEX["state"], COLUMN_INDEX["lease_until"], COLUMN_INDEX["cancelling"]
_REASON, _TAGS = COLUMN_INDEX["reason"], COLUMN_INDEX["tags"]
_STATES = {state.value: state for state in State}


def job_reader(skew: float) -> Callable[[Row], Job]:
    """A function that turns a row of `JOB_COLUMNS` into a record.

    Args:
        skew: wall clock minus the clock that leases are counted on, in seconds, to tell a person when a lease ends.
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
    """A record with these values, in the order of its fields."""
    made: Any = _MutableJob(*values)
    made.__class__ = Job
    return made  # type: ignore[no-any-return]


def parse_tags(text: str) -> tuple[str, ...]:
    """The tags in their stored form; unreadable ones count as none, so that one bad row stops no other."""
    if text == "[]":
        return ()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    return tuple(str(tag) for tag in found) if isinstance(found, list) else ()


ATTEMPT_COLUMNS = "job_id, number, worker, started_at, finished_at, outcome, error_type, message, traceback, late_at"


def make_attempt(row: Row) -> Attempt:
    """A row of `ATTEMPT_COLUMNS` as a record."""
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
    """A row of `LOG_COLUMNS` as a record."""
    return LogLine(id=row[0], job_id=row[1], attempt=row[2], at=row[3], level=row[4], text=row[5])
