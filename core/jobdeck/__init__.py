"""jobdeck: a durable job queue on an SQLite file.

This is the front door. Everything a program or a front end may use is here; the modules behind it may
change. Names are loaded when they are first used, so that `import jobdeck` costs next to nothing. Help for the tests
of your own program is in `jobdeck.testing`.

Example:
    >>> from jobdeck import Queue, Worker, job
    >>> @job(queue="mail", max_attempts=5)
    ... def send_receipt(order_id: int, to: str) -> None: ...
    >>> with Queue("jobs.db") as queue:
    ...     queue.enqueue(send_receipt, {"order_id": 1, "to": "a@example.org"})
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import testing as testing
    from .ageing import effective_priority
    from .attempt import Context, context
    from .backlog import Backlog, Forecast, Outlook, forecast
    from .care import Care, doctor
    from .clock import Clock, SystemClock
    from .cron import explain_cron, local_zone, next_ticks
    from .drafts import Options
    from .edits import Edits
    from .errors import (
        ActNotFound,
        AppNotLoaded,
        ArgumentsTooLarge,
        BackupFailed,
        BatchNotFound,
        ChildNotStarted,
        GiveUp,
        Interrupted,
        InvalidArguments,
        InvalidCron,
        InvalidFilter,
        InvalidHandler,
        InvalidOption,
        InvalidSetting,
        JobdeckError,
        JobNotFound,
        KeyTaken,
        KindNotInChild,
        LeaseLost,
        MovedOn,
        NothingToUndo,
        NotRunning,
        NotUnique,
        PayloadUnreadable,
        RowRefused,
        ScheduleExists,
        ScheduleNotFound,
        Snooze,
        Stopped,
        StoreAway,
        StoreBusy,
        StoreError,
        StoreFailed,
        StoreLost,
        StoreRefused,
        StoreReplaced,
        TimedOut,
        UnknownKind,
        WrongAct,
        WrongState,
    )
    from .explain import Check, Explanation
    from .findings import Finding, Severity
    from .history import Event, Happening, Run, Runs
    from .jobs import (
        Attempt,
        Batch,
        Changes,
        Edit,
        Family,
        IfParentFails,
        Job,
        Kind,
        Latency,
        Limits,
        LogLine,
        NewJob,
        OnConflict,
        Outcome,
        Overview,
        Parameter,
        QueueInfo,
        Reason,
        Schedule,
        Slot,
        Stopping,
        WorkerInfo,
    )
    from .journal import Act, Undoing
    from .metrics import ErrorGroup, Grouping, Metrics
    from .past import PastJob
    from .query import FIELDS, Condition, Term, parse, parse_duration
    from .queue import Queue
    from .registry import REGISTRY, Registry, job, load_apps
    from .schedule import Timetable
    from .settings import SWITCH_INTERVAL, Settings
    from .shell import add_shell, command_line
    from .stacks import Call, Stack
    from .states import FINAL, QUEUED, Operation, State, allows
    from .store.care import Backup
    from .worker import Worker

__version__ = "0.1.0"

_HOMES = {
    "ageing": "effective_priority",
    "attempt": "Context context",
    "backlog": "Backlog Forecast Outlook forecast",
    "care": "Care doctor",
    "clock": "Clock SystemClock",
    "cron": "explain_cron local_zone next_ticks",
    "drafts": "Options",
    "edits": "Edits",
    "errors": "ActNotFound AppNotLoaded ArgumentsTooLarge BackupFailed BatchNotFound ChildNotStarted GiveUp"
    " Interrupted InvalidArguments InvalidCron InvalidFilter InvalidHandler InvalidOption"
    " InvalidSetting JobNotFound JobdeckError KeyTaken KindNotInChild LeaseLost MovedOn NotRunning NotUnique"
    " NothingToUndo PayloadUnreadable RowRefused ScheduleExists ScheduleNotFound Snooze Stopped"
    " StoreAway StoreBusy StoreError StoreFailed StoreLost StoreRefused StoreReplaced TimedOut UnknownKind WrongAct WrongState",
    "explain": "Check Explanation",
    "findings": "Finding Severity",
    "history": "Event Happening Run Runs",
    "jobs": "Attempt Batch Changes Edit Family IfParentFails Job Kind Latency Limits LogLine NewJob OnConflict"
    " Outcome Overview Parameter QueueInfo Reason Schedule Slot Stopping WorkerInfo",
    "journal": "Act Undoing",
    "metrics": "ErrorGroup Grouping Metrics",
    "past": "PastJob",
    "query": "Condition FIELDS Term parse parse_duration",
    "queue": "Queue",
    "registry": "REGISTRY Registry job load_apps",
    "schedule": "Timetable",
    "settings": "SWITCH_INTERVAL Settings",
    "shell": "add_shell command_line",
    "stacks": "Call Stack",
    "states": "FINAL Operation QUEUED State allows",
    "store.care": "Backup",
    "worker": "Worker",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "FIELDS",
    "FINAL",
    "QUEUED",
    "REGISTRY",
    "SWITCH_INTERVAL",
    "Act",
    "ActNotFound",
    "AppNotLoaded",
    "ArgumentsTooLarge",
    "Attempt",
    "Backlog",
    "Backup",
    "BackupFailed",
    "Batch",
    "BatchNotFound",
    "Call",
    "Care",
    "Changes",
    "Check",
    "ChildNotStarted",
    "Clock",
    "Condition",
    "Context",
    "Edit",
    "Edits",
    "ErrorGroup",
    "Event",
    "Explanation",
    "Family",
    "Finding",
    "Forecast",
    "GiveUp",
    "Grouping",
    "Happening",
    "IfParentFails",
    "Interrupted",
    "InvalidArguments",
    "InvalidCron",
    "InvalidFilter",
    "InvalidHandler",
    "InvalidOption",
    "InvalidSetting",
    "Job",
    "JobNotFound",
    "JobdeckError",
    "KeyTaken",
    "Kind",
    "KindNotInChild",
    "Latency",
    "LeaseLost",
    "Limits",
    "LogLine",
    "Metrics",
    "MovedOn",
    "NewJob",
    "NotRunning",
    "NotUnique",
    "NothingToUndo",
    "OnConflict",
    "Operation",
    "Options",
    "Outcome",
    "Outlook",
    "Overview",
    "Parameter",
    "PastJob",
    "PayloadUnreadable",
    "Queue",
    "QueueInfo",
    "Reason",
    "Registry",
    "RowRefused",
    "Run",
    "Runs",
    "Schedule",
    "ScheduleExists",
    "ScheduleNotFound",
    "Settings",
    "Severity",
    "Slot",
    "Snooze",
    "Stack",
    "State",
    "Stopped",
    "Stopping",
    "StoreAway",
    "StoreBusy",
    "StoreError",
    "StoreFailed",
    "StoreLost",
    "StoreRefused",
    "StoreReplaced",
    "SystemClock",
    "Term",
    "TimedOut",
    "Timetable",
    "Undoing",
    "UnknownKind",
    "Worker",
    "WorkerInfo",
    "WrongAct",
    "WrongState",
    "add_shell",
    "allows",
    "command_line",
    "context",
    "doctor",
    "effective_priority",
    "explain_cron",
    "forecast",
    "job",
    "load_apps",
    "local_zone",
    "next_ticks",
    "parse",
    "parse_duration",
]


def __getattr__(name: str) -> Any:
    if name == "testing":  # a room of its own, for the tests of programs
        return import_module(".testing", __name__)
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
