"""jobdeck: a durable job queue on an SQLite file.

This is the front door. Everything a program or a front end may use is here; the modules behind it may
change. Names are loaded when they are first used, so that `import jobdeck` costs next to nothing.

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
    from .attempt import Context, context
    from .clock import Clock, SystemClock
    from .errors import (
        AppNotLoaded,
        ArgumentsTooLarge,
        ChildNotStarted,
        GiveUp,
        InvalidArguments,
        InvalidFilter,
        InvalidHandler,
        InvalidOption,
        InvalidSetting,
        JobdeckError,
        JobNotFound,
        KindNotInChild,
        LeaseLost,
        PayloadUnreadable,
        RowRefused,
        Snooze,
        Stopped,
        StoreBusy,
        StoreError,
        StoreFailed,
        StoreRefused,
        UnknownKind,
        WrongState,
    )
    from .jobs import (
        Attempt,
        Changes,
        IfParentFails,
        Job,
        Kind,
        Latency,
        LogLine,
        NewJob,
        OnConflict,
        Outcome,
        Overview,
        Parameter,
        QueueInfo,
        Reason,
        Slot,
        WorkerInfo,
    )
    from .query import Condition, Term, parse, parse_duration
    from .queue import Queue
    from .registry import REGISTRY, Registry, job, load_apps
    from .settings import Settings
    from .shell import add_shell, command_line
    from .states import FINAL, QUEUED, Operation, State, allows
    from .worker import Worker

__version__ = "0.1.0"

_HOMES = {
    "attempt": "Context context",
    "clock": "Clock SystemClock",
    "errors": "AppNotLoaded ArgumentsTooLarge ChildNotStarted GiveUp InvalidArguments InvalidFilter InvalidHandler"
    " InvalidOption InvalidSetting JobdeckError JobNotFound KindNotInChild LeaseLost PayloadUnreadable RowRefused Snooze"
    " Stopped StoreBusy StoreError StoreFailed StoreRefused UnknownKind WrongState",
    "jobs": "Attempt Changes IfParentFails Job Kind Latency LogLine NewJob OnConflict Outcome Overview Parameter QueueInfo"
    " Reason Slot WorkerInfo",
    "query": "Condition Term parse parse_duration",
    "queue": "Queue",
    "registry": "REGISTRY Registry job load_apps",
    "settings": "Settings",
    "shell": "add_shell command_line",
    "states": "FINAL QUEUED Operation State allows",
    "worker": "Worker",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "FINAL",
    "QUEUED",
    "REGISTRY",
    "AppNotLoaded",
    "ArgumentsTooLarge",
    "Attempt",
    "Changes",
    "ChildNotStarted",
    "Clock",
    "Condition",
    "Context",
    "GiveUp",
    "IfParentFails",
    "InvalidArguments",
    "InvalidFilter",
    "InvalidHandler",
    "InvalidOption",
    "InvalidSetting",
    "Job",
    "JobNotFound",
    "JobdeckError",
    "Kind",
    "KindNotInChild",
    "Latency",
    "LeaseLost",
    "LogLine",
    "NewJob",
    "OnConflict",
    "Operation",
    "Outcome",
    "Overview",
    "Parameter",
    "PayloadUnreadable",
    "Queue",
    "QueueInfo",
    "Reason",
    "Registry",
    "RowRefused",
    "Settings",
    "Slot",
    "Snooze",
    "State",
    "Stopped",
    "StoreBusy",
    "StoreError",
    "StoreFailed",
    "StoreRefused",
    "SystemClock",
    "Term",
    "UnknownKind",
    "Worker",
    "WorkerInfo",
    "WrongState",
    "add_shell",
    "allows",
    "command_line",
    "context",
    "job",
    "load_apps",
    "parse",
    "parse_duration",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
