"""Converts rows to records, for every store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, make_dataclass
from typing import Any, TypeVar

from ..json_functions import json
from ..model.errors import RowDamaged
from ..model.jobs import UNFINISHED, Attempt, IfParentFails, Job, LogLine, Outcome, Reason
from ..model.states import State
from .row_rules import EARLIEST, LATEST, RULES

W = TypeVar("W")

_FIELDS = tuple(field.name for field in fields(Job))
#: The columns of a job, in the order of the record's fields.
JOB_COLUMNS = ", ".join(name.removesuffix("_json") for name in _FIELDS)
COLUMN_INDEX = {name: place for place, name in enumerate(_FIELDS)}
"""Field of a job → its index in a row of `JOB_COLUMNS`."""

# A frozen dataclass sets each field with object.__setattr__, which takes eight times as long as reading the row. So the record
# is created mutable, and frozen by changing its class to the frozen one of the same shape.
_MutableJob = make_dataclass("_MutableJob", _FIELDS, slots=True, repr=False, eq=False)

NO_TAGS = "[]"
"""Stored tags of a job that has none."""

Row = Sequence[Any]


def replace_surrogates(text: str | None) -> str | None:
    """Escape lone surrogates in the text: UTF-8, in which databases store text, has none."""
    return text if text is None or text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def one_line(text: str, limit: int = 500) -> str:
    """Put the text on one line, cut to `limit` characters."""
    # SQL's LIKE reads no further than a NUL in SQLite, and PostgreSQL keeps none.
    flat = " ".join((replace_surrogates(text) or "").replace("\0", "\ufffd").split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


REASON_OF_OUTCOME = {Outcome.TIMED_OUT: Reason.TIMED_OUT, Outcome.CRASHED: Reason.CRASHED}
"""Outcome of the last attempt → why the job has failed, if the result does not say."""
_STATE, _LEASE_UNTIL, _CANCELLING = COLUMN_INDEX["state"], COLUMN_INDEX["lease_until"], COLUMN_INDEX["cancelling"]
_ARGS, _TIMEOUT, _BACKOFF = COLUMN_INDEX["args_json"], COLUMN_INDEX["timeout"], COLUMN_INDEX["backoff_json"]
_REASON, _TAGS = COLUMN_INDEX["reason"], COLUMN_INDEX["tags"]
_PROGRESS, _MESSAGE = COLUMN_INDEX["progress"], COLUMN_INDEX["progress_message"]
_STATES: Mapping[str, State] = {each.value: each for each in State}
_OUTCOMES: Mapping[str, Outcome] = {each.value: each for each in Outcome}
_REASONS: Mapping[str, Reason] = {each.value: each for each in Reason}
_POLICIES: Mapping[str, IfParentFails] = {each.value: each for each in IfParentFails}


class RowCheck:
    """Checks that rows hold what `row_rules` allows in each column, so that their readers need not."""

    def __init__(self, table: str, columns: str) -> None:
        """Create the check.

        Args:
            table: the table.
            columns: its columns in the order of the rows, as SQL lists them; others are not checked.
        """
        self._table = table
        self._names = [name.strip() for name in columns.split(",")]
        self._rules = [RULES[table].columns.get(name) for name in self._names]
        self._numbers: dict[tuple[type, ...], tuple[int, ...]] = {}
        """Sound types of rows → the indexes of their times and durations. Most rows of a table have the same types."""

    def __call__(self, row: Row, low: float = EARLIEST, high: float = LATEST) -> None:
        """Check a row; the bounds are for times and durations.

        Raises:
            RowDamaged: a value is of another type, or a time that no calendar has.
        """
        types = tuple(map(type, row))
        numbers = self._numbers.get(types)
        for at in self._learn(types) if numbers is None else numbers:
            if not low <= row[at] <= high:
                raise RowDamaged(f"{self._names[at]} in {self._table}")

    def _learn(self, types: tuple[type, ...]) -> tuple[int, ...]:
        numbers = []
        for at, (name, found, rule) in enumerate(zip(self._names, types, self._rules, strict=True)):
            if rule is None or (rule.nullable and found is type(None)):
                continue
            if found not in _PYTHON_TYPES[rule.type]:
                raise RowDamaged(f"{name} in {self._table}")
            if rule.type == "real":
                numbers.append(at)
        self._numbers[types] = tuple(numbers)
        return self._numbers[types]


_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "integer": (int,),
    "real": (float, int),
    "boolean": (int, bool),
    "blob": (bytes,),
}
_check_job = RowCheck("jobdeck_jobs", JOB_COLUMNS)


def _check_claimed(row: Row) -> None:
    timeout, backoff = row[_TIMEOUT], row[_BACKOFF]
    if type(row[_ARGS]) is not str or not (backoff is None or type(backoff) is str):
        raise RowDamaged("args or backoff in jobdeck_jobs")
    if timeout is not None and not (type(timeout) in (int, float) and 0 <= timeout <= LATEST):
        raise RowDamaged("timeout in jobdeck_jobs")


def word(words: Mapping[str, W], text: object, column: str) -> W:
    """Return the member of an enumeration that a stored text names. Raises `RowDamaged` if there is none."""
    try:
        return words[text]  # type: ignore[index]
    except (KeyError, TypeError):
        raise RowDamaged(f"a word in {column}") from None


def state_of(text: object) -> State:
    """Return the state that a stored text names. Raises `RowDamaged` if there is none."""
    return word(_STATES, text, "state")


def outcome_of(text: object) -> Outcome:
    """Return the outcome that a stored text names. Raises `RowDamaged` if there is none."""
    return word(_OUTCOMES, text, "outcome")


def policy_of(text: object) -> IfParentFails:
    """Return the policy that a stored text names. Raises `RowDamaged` if there is none."""
    return word(_POLICIES, text, "if_parent_fails")


def job_reader(skew: float) -> Callable[[Row], Job]:
    """Return a function that converts a row of `JOB_COLUMNS` to a record.

    Args:
        skew: wall clock minus the clock that leases are measured on, in seconds, to show when a lease ends.
    """

    def job(row: Row) -> Job:
        _check_job(row)
        values = list(row)
        values[_STATE] = state_of(values[_STATE])
        if values[_LEASE_UNTIL] is not None:
            values[_LEASE_UNTIL] += skew
        values[_CANCELLING] = values[_CANCELLING] == 1
        if values[_REASON] is not None:
            values[_REASON] = word(_REASONS, values[_REASON], "reason")
        values[_TAGS] = () if values[_TAGS] == NO_TAGS else parse_tags(values[_TAGS])
        if values[_MESSAGE] is not None and values[_PROGRESS] is None:
            values[_MESSAGE] = None  # of an earlier attempt
        return make_job(values)

    return job


def claimed_job_reader(skew: float) -> Callable[[Row], Job]:
    """Return a function that converts a row of `JOB_COLUMNS` that has just been claimed.

    It only checks what an attempt computes with. The schema has checked the rest when the row was claimed, and a full check
    takes longer than the conversion.
    """

    def job(row: Row) -> Job:
        values = list(row)
        if type(values[_ARGS]) is not str or values[_TIMEOUT] is not None or values[_BACKOFF] is not None:
            _check_claimed(row)
        values[_STATE] = State.RUNNING
        values[_LEASE_UNTIL] += skew
        values[_CANCELLING] = values[_CANCELLING] == 1
        if values[_REASON] is not None:
            values[_REASON] = word(_REASONS, values[_REASON], "reason")
        values[_TAGS] = () if values[_TAGS] == NO_TAGS else parse_tags(values[_TAGS])
        values[_MESSAGE] = None  # that of an earlier attempt may be stored
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
    if text == NO_TAGS:
        return ()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    return tuple(str(tag) for tag in found) if isinstance(found, list) else ()


ATTEMPT_COLUMNS = "job_id, number, worker, started_at, finished_at, outcome, error_type, message, traceback, late_at"
_check_attempt = RowCheck("jobdeck_attempts", ATTEMPT_COLUMNS)


def make_attempt(row: Row) -> Attempt:
    """Convert a row of `ATTEMPT_COLUMNS` to a record."""
    _check_attempt(row)
    return Attempt(
        job_id=row[0],
        number=row[1],
        worker=row[2],
        started_at=row[3],
        finished_at=row[4],
        outcome=outcome_of(row[5]),
        error_type=row[6],
        message=row[7],
        traceback=row[8],
        late_at=row[9],
    )


LOG_COLUMNS = "id, job_id, attempt, at, level, text"
_check_log_line = RowCheck("jobdeck_logs", LOG_COLUMNS)


def make_log_line(row: Row) -> LogLine:
    """Convert a row of `LOG_COLUMNS` to a record."""
    _check_log_line(row)
    level: str = row[4]
    unfinished = level.endswith(UNFINISHED)
    return LogLine(
        id=row[0],
        job_id=row[1],
        attempt=row[2],
        at=row[3],
        level=level.removesuffix(UNFINISHED) if unfinished else level,
        text=row[5],
        unfinished=unfinished,
    )
