"""The rules for valid rows, column by column, in every table: the stores check rows against them, and repair those that differ.

The schemas refuse most else already. But a bit flips on the disk, another program writes past the schema, SQLite stores any
bytes as text, and any number of seconds is a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model.jobs import IfParentFails, Outcome, Reason
from ..model.journal import QUEUE_OPERATIONS, SCHEDULE_OPERATIONS
from ..model.record_class import record
from ..model.states import Operation, State

EARLIEST, LATEST = -6e10, 2.5e11
"""Times are within these bounds, in seconds since 1970: the years 68 to 9892, which every calendar can show."""
LOWEST, HIGHEST = -(2**31), 2**31 - 1
_IDS = 2**63 - 1


@record(kw_only=True)
class ColumnRule:
    """The rule for one column of a valid row."""

    type: str
    """`text`, `integer`, `real`, `boolean` or `blob`."""
    default: Any
    """The replacement for a value that breaks the rule; a text that breaks only the encoding keeps its readable part."""
    nullable: bool = False
    low: float | None = None
    high: float | None = None
    words: tuple[str, ...] = ()
    """The only texts."""
    json_list: bool = False
    """`True` if the text must be a JSON array."""
    vital: bool = False
    """`True` if a job or schedule whose column breaks the rule cannot run."""
    essential: bool = False
    """`True` if a row whose column breaks the rule is meaningless, and is deleted."""

    @property
    def quoted_words(self) -> str:
        """The words, as SQL lists them."""
        return ", ".join(f"'{word}'" for word in self.words)


@record
class TableRule:
    """The rules for the rows of one table."""

    columns: Mapping[str, ColumnRule]
    noun: str
    """The noun for a row, in front of the value that names it."""
    name: str
    """The column that names a row."""
    replaced: bool = True
    """`True` if the values of a damaged row are replaced; otherwise it is deleted, as it is recreated or matters little."""


def _text(default: str = "", **more: Any) -> ColumnRule:
    return ColumnRule(type="text", default=default, **more)


def _optional_text(**more: Any) -> ColumnRule:
    return ColumnRule(type="text", default=None, nullable=True, **more)


def _words(default: str | None, words: Any, **more: Any) -> ColumnRule:
    return ColumnRule(type="text", default=default, nullable=default is None, words=tuple(map(str, words)), **more)


def _json_list(**more: Any) -> ColumnRule:
    return ColumnRule(type="text", default="[]", json_list=True, **more)


def _integer(default: int | None = 0, low: float = LOWEST, high: float = HIGHEST, **more: Any) -> ColumnRule:
    return ColumnRule(type="integer", default=default, nullable=default is None, low=low, high=high, **more)


def _id(default: int | None = 0, **more: Any) -> ColumnRule:
    return _integer(default, -_IDS - 1, _IDS, **more)


def _time(**more: Any) -> ColumnRule:
    return ColumnRule(type="real", default=0.0, low=EARLIEST, high=LATEST, **more)


def _optional_time(**more: Any) -> ColumnRule:
    return ColumnRule(type="real", default=None, nullable=True, low=EARLIEST, high=LATEST, **more)


def _flag() -> ColumnRule:
    return ColumnRule(type="boolean", default=False)


RULES: Mapping[str, TableRule] = {
    "jobdeck_jobs": TableRule(
        {
            "id": _integer(0, 1, 2**62, essential=True),  # so that later ids, and leases, stay whole numbers
            "kind": _text(vital=True),
            "queue": _text(vital=True),
            "state": _words(State.FAILED, State, vital=True),
            "priority": _integer(),
            "args": _text("{}", vital=True),
            "attempt": _integer(0, 0, vital=True),
            "max_attempts": _integer(1, 1, vital=True),
            "timeout": ColumnRule(type="real", default=None, nullable=True, low=0.0, high=LATEST, vital=True),
            "created_at": _time(),
            "scheduled_at": _time(vital=True),
            "started_at": _optional_time(),
            "finished_at": _optional_time(),
            "worker": _optional_text(),
            "lease": _id(None, vital=True),
            "lease_until": _optional_time(vital=True),
            "cancelling": _flag(),
            "unique_key": _optional_text(vital=True),
            "tags": _text("[]"),
            "progress": ColumnRule(type="real", default=None, nullable=True, low=-1e9, high=1e9),
            "progress_message": _optional_text(),
            "result": _optional_text(),
            "error": _optional_text(),
            "reason": _words(None, Reason),
            "crashes": _integer(0, 0),
            "expires_at": _optional_time(vital=True),
            "batch": _id(None),
            "backoff": _optional_text(vital=True),
            "unique_final": _integer(0, 0, 7),
            "if_parent_fails": _words(IfParentFails.CANCEL, IfParentFails, vital=True),
            "trace": _optional_text(),
        },
        "job",
        "id",
    ),
    "jobdeck_ids": TableRule({"last": _integer(0, 0, 2**62)}, "highest id", "last"),
    "jobdeck_counts": TableRule(
        {"queue": _text(), "kind": _text(), "state": _words(State.FAILED, State), "n": _id()},
        "counter of queue",
        "queue",
        replaced=False,
    ),
    "jobdeck_queues": TableRule(
        {
            "name": _text(),
            "paused_at": _optional_time(),
            "max_running": _integer(None, 1),
            "rate": _integer(None, 1),
            "rate_period": ColumnRule(type="real", default=None, nullable=True, low=0.0, high=LATEST),
        },
        "queue",
        "name",
    ),
    "jobdeck_starts": TableRule({"queue": _text(), "at": _time(), "n": _integer()}, "start in queue", "queue", replaced=False),
    "jobdeck_attempts": TableRule(
        {
            "job_id": _id(),
            "lease": _id(),
            "number": _integer(),
            "worker": _text(),
            "started_at": _time(),
            "finished_at": _time(),
            "outcome": _words(Outcome.CRASHED, Outcome),
            "error_type": _optional_text(),
            "message": _optional_text(),
            "traceback": _optional_text(),
            "late_at": _optional_time(),
        },
        "attempt of job",
        "job_id",
    ),
    "jobdeck_logs": TableRule(
        {"job_id": _id(), "attempt": _integer(), "at": _time(), "level": _text("info"), "text": _text()},
        "log line of job",
        "job_id",
    ),
    "jobdeck_workers": TableRule(
        {
            "id": _text(),
            "host": _text(),
            "pid": _integer(),
            "threads": _integer(),
            "queues": _json_list(),
            "started_at": _time(),
            "heartbeat_at": _time(),
            "beat": _time(),
            "draining": _flag(),
            "kinds": _json_list(),
            "processes": _integer(),
            "stuck": _integer(),
            "stopping": _json_list(),
            "boot": _text(),
            "stalled": _json_list(),
        },
        "worker",
        "id",
        replaced=False,
    ),
    "jobdeck_metrics": TableRule(
        {
            "width": _integer(low=1),
            "slot": _integer(low=EARLIEST, high=LATEST),
            "queue": _text(),
            "kind": _text(),
            "measure": _text(),
            "bucket": _integer(0, 0, 1000),
            "n": _integer(0, 0, _IDS),
        },
        "metric of queue",
        "queue",
        replaced=False,
    ),
    "jobdeck_totals": TableRule(
        {
            "queue": _text(),
            "kind": _text(),
            "measure": _text(),
            "bucket": _integer(0, 0, 1000),
            "n": _integer(0, 0, _IDS),
        },
        "total of queue",
        "queue",
        replaced=False,
    ),
    "jobdeck_depths": TableRule(
        {
            "slot": _integer(low=EARLIEST, high=LATEST),
            "queue": _text(),
            "pending": _integer(0, 0, _IDS),
            "oldest": ColumnRule(type="real", default=0.0, low=0.0, high=LATEST),
        },
        "depth sample of queue",
        "queue",
        replaced=False,
    ),
    "jobdeck_batches": TableRule({"name": _text(), "total": _id(), "created_at": _time()}, "batch", "id"),
    "jobdeck_waits": TableRule({"parent": _id(), "child": _id()}, "wait of job", "child", replaced=False),
    "jobdeck_after": TableRule({"child": _id(), "parent": _id()}, "dependency of job", "child", replaced=False),
    "jobdeck_schedules": TableRule(
        {
            "name": _text(),
            "cron": _text("0 0 1 1 *", vital=True),
            "timezone": _text("UTC", vital=True),
            "kind": _text(vital=True),
            "args": _text("{}", vital=True),
            "queue": _text(vital=True),
            "priority": _integer(vital=True),
            "max_attempts": _integer(1, 1, vital=True),
            "timeout": ColumnRule(type="real", default=None, nullable=True, low=0.0, high=LATEST, vital=True),
            "tags": _text("[]"),
            "created_at": _time(),
            "paused_at": _optional_time(vital=True),
            "next_at": _time(vital=True),
            "last_at": _optional_time(),
            "last_job": _id(None),
            "error": _optional_text(),
        },
        "schedule",
        "name",
    ),
    "jobdeck_journal": TableRule(
        {
            "at": _time(),
            "who": _text(),
            "act": _words("", (*Operation, *QUEUE_OPERATIONS, *SCHEDULE_OPERATIONS), essential=True),
            "n": _id(),
            "children": _id(),
            "kept": _id(),
            "bytes": _id(),
            "told": _text(),
            "undone": _id(),
            "undone_at": _optional_time(),
            "undone_by": _optional_text(),
            "undone_no": _id(None),
        },
        "journal entry",
        "id",
    ),
    "jobdeck_journal_parts": TableRule(
        {
            "act": _id(),
            "part": _id(),
            "at": _time(),
            "undone": _flag(),
            "before": ColumnRule(type="blob", default=b"[]"),
        },
        "undo data of journal entry",
        "act",
        replaced=False,
    ),
}
"""Table → what its rows hold."""
