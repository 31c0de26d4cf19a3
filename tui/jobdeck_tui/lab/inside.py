"""Look inside an experiment: the SQL that ran, its query plan on the experiment's file, why it is safe, where it stands.

The statements are recorded while the engine performs an operation on a queue of its own: each with the place in jobdeck's code
that executed it, found on the stack. Their plans are asked of the database of the lane that plays.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw

import jobdeck
from jobdeck import LeaseLost, Queue, Registry, Settings, Worker, job, record

from . import naive_worker
from .place import executing_place, format_place
from .plans import sqlite_plan

_LEASE = 0.2
_PATIENCE = 3.0
_QUIET = ("jobdeck_counts", "jobdeck_metrics", "jobdeck_totals", "jobdeck_workers", "pragma", "jobdeck_meta", "sqlite_")
"""Statements on these keep counters; they are not shown."""


@record
class Statement:
    """A statement that ran."""

    sql: str
    plan: tuple[str, ...]
    """The lines of its query plan, a node below another one two blanks further right; none for `BEGIN` and `COMMIT`."""
    place: str
    """The file and the line that executed it, such as `store/sqlite/claim.py:174`; on the scheduler's board, its step."""
    function: str


@record
class Section:
    """One operation."""

    title: str
    why: str
    """The reason why it is safe, or is not."""
    statements: tuple[Statement, ...]
    is_atomic: bool | None = None
    """`True` if no other worker can come between its statements; `None` if that is not the question."""


@record
class RecordedStatement:
    """A statement as it ran, before it is explained."""

    sql: str
    values: Any
    place: str
    function: str


@record
class _Operation:
    title: str
    why: str
    perform: Callable[[_Probe], None]


class _Probe:
    """A queue on which an operation is performed, while its statements are recorded."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "inside.db"
        self.registry = Registry()
        job(name="lab.good", registry=self.registry)(_succeed)
        job(name="lab.bad", registry=self.registry)(_fail)
        settings = Settings(database=str(self.database), synchronous="OFF", lease=_LEASE, heartbeat=_LEASE / 3)
        self.queue = Queue(settings=settings, registry=self.registry)
        self.seen: list[RecordedStatement] = []
        self.worker = jobdeck.testing.ManualWorker(self.queue, "worker 1", lease=_LEASE)

    def record(self, _cursor: object, sql: str, values: Any) -> bool:
        """Record a statement, and the line of jobdeck that executed it: the innermost one on the stack."""
        place, function = executing_place(sys._getframe(1))
        self.seen.append(RecordedStatement(one_line(sql), values, place, function))
        return True

    def start(self) -> None:
        """Forget what preparations have done."""
        self.seen.clear()


def _succeed() -> None:
    """Succeed."""


def _fail() -> None:
    """Fail."""
    raise ConnectionError("the dependency is down")


def one_line(sql: str) -> str:
    """Return a statement on one line."""
    return " ".join(sql.split())


def _enqueue(probe: _Probe) -> None:
    probe.queue.enqueue("lab.good", {})


def _claim(probe: _Probe) -> None:
    probe.queue.enqueue("lab.good", {})
    probe.start()
    probe.worker.claim()


def _complete(probe: _Probe) -> None:
    probe.queue.enqueue("lab.good", {})
    claimed = probe.worker.claim()
    probe.start()
    if claimed is not None:
        with contextlib.suppress(LeaseLost):
            probe.worker.complete(claimed)


def _retry(probe: _Probe) -> None:
    probe.queue.enqueue("lab.bad", {})
    with contextlib.suppress(ConnectionError):
        jobdeck.testing.drain(probe.queue)
    last = max((at for at, each in enumerate(probe.seen) if each.sql.startswith("BEGIN")), default=0)
    probe.seen[:] = probe.seen[last:]


def _rescue(probe: _Probe) -> None:
    probe.queue.enqueue("lab.good", {})
    claimed = probe.worker.claim()
    time.sleep(_LEASE)
    probe.start()
    with Worker(probe.queue, threads=0):
        until = time.monotonic() + _PATIENCE
        while claimed is not None and probe.queue.get(claimed.id).state == "running" and time.monotonic() < until:
            time.sleep(0.02)
    at = next((at for at, each in enumerate(probe.seen) if each.sql.startswith("UPDATE jobdeck_jobs")), 0)
    probe.seen[:] = probe.seen[at : at + 1]


_OPERATIONS = {
    "enqueue": _Operation(
        "enqueue",
        "The job and its counters are written in one transaction. Threads that enqueue at the same time share it, and each "
        "returns after the COMMIT; then the workers are woken.",
        _enqueue,
    ),
    "claim": _Operation(
        "claim",
        "BEGIN IMMEDIATE takes the write lock before anything is read, and one UPDATE takes the job, issues a fresh lease "
        "and counts the attempt. Nobody can come between: another worker waits, and then finds the row running.",
        _claim,
    ),
    "complete": _Operation(
        "record a result",
        "The UPDATE requires state = 'running' and the lease of this run. A worker that lost its lease changes 0 rows, and "
        "its late result is recorded beside the job.",
        _complete,
    ),
    "retry": _Operation(
        "retry after a failure",
        "The same fence as for a result. The next run is due after a random delay, up to a step that doubles (full jitter).",
        _retry,
    ),
    "rescue": _Operation(
        "rescue",
        "One UPDATE finds the running jobs whose lease has ended. Any process does it, and a live worker renews its lease "
        "long before.",
        _rescue,
    ),
}
_SECTIONS = {
    "race": ("naive claim", "claim"),
    "crash": ("claim", "rescue"),
    "zombie": ("naive result", "complete"),
    "poison": ("claim", "rescue"),
    "shutdown": ("complete", "retry"),
    "side-effects": ("complete", "rescue"),
    "retry-storm": ("retry",),
    "starvation": ("claim",),
    "wake-up": ("enqueue", "claim"),
    "contention": ("enqueue",),
    "durability": ("enqueue",),
    "backlog": ("claim", "complete"),
}


def look_inside(experiment: str, folder: Path, lanes: Sequence[tuple[Path, bool]]) -> tuple[Section, ...]:
    """Return what an experiment does in its database.

    Args:
        experiment: its name.
        folder: a scratch folder; the operations are performed there once more, to record them.
        lanes: the databases of its lanes, and whether each is a queue of jobdeck: the query plans are theirs.
    """
    own = next((file for file, is_jobdeck in lanes if is_jobdeck and file.exists()), None)
    naive = next((file for file, is_jobdeck in lanes if not is_jobdeck and file.exists()), None)
    found = []
    for name in _SECTIONS.get(experiment, ()):
        if name in _OPERATIONS:
            found.append(record_operation(name, folder, own))
        elif naive is not None:
            found.append(_naive(name, naive))
    return tuple(found)


def record_operation(name: str, folder: Path, file: Path | None = None) -> Section:
    """Perform an operation of jobdeck on a queue of its own, and return the statements that it ran.

    Args:
        name: `claim`, `complete`, …
        folder: a scratch folder, for that queue.
        file: the queue that is asked for the query plans; that of its own if `None`.
    """
    operation = _OPERATIONS[name]
    own = folder / f"inside-{time.monotonic_ns()}"
    own.mkdir()
    probe = _Probe(own)
    try:
        with _traced(probe):
            operation.perform(probe)
    finally:
        probe.queue.close()
    shown = [each for each in probe.seen if not any(word in each.sql for word in _QUIET)]
    plans = _Plans(file or probe.database)
    with contextlib.closing(plans):
        statements = tuple(Statement(each.sql, plans.of(each.sql, each.values), each.place, each.function) for each in shown)
    return Section(operation.title, operation.why, statements)


@contextlib.contextmanager
def _traced(probe: _Probe) -> Iterator[None]:
    """Record the statements of every connection to the probe's file, also of those that a worker opens."""

    def attend(connection: apsw.Connection) -> None:
        if connection.filename == str(probe.database):
            connection.exec_trace = probe.record

    with probe.queue.transaction() as connection:
        connection.exec_trace = probe.record
    probe.start()
    apsw.connection_hooks.append(attend)
    try:
        yield
    finally:
        apsw.connection_hooks.remove(attend)
        connection.exec_trace = None


def _naive(name: str, file: Path) -> Section:
    if name == "naive claim":
        why = "Two statements, each in a transaction of its own: between them, another worker selects the same row."
        functions: tuple[tuple[str, Callable[..., object]], ...] = (
            (naive_worker.SELECT, naive_worker._claim),
            (naive_worker.UPDATE, naive_worker._claim),
        )
    else:
        why = "It finds the row by its id alone: whoever writes last wins, also a worker that lost the job long ago."
        functions = ((naive_worker.COMPLETE, naive_worker._run),)
    plans = _Plans(file)
    with contextlib.closing(plans):
        statements = tuple(
            Statement(
                one_line(sql),
                plans.of(sql, _AnyValue()),
                format_place(inspect.getfile(each), _line(each, sql)),
                each.__qualname__,
            )
            for sql, each in functions
        )
    return Section(name, why, statements)


def _line(function: Callable[..., object], sql: str) -> int:
    """Return the line of the function that executes a statement of its module."""
    name = next(name for name, value in vars(naive_worker).items() if value is sql)
    lines, first = inspect.getsourcelines(function)
    return next((first + at for at, line in enumerate(lines) if f"execute({name}" in line), first)


class _Plans:
    """Asks a database for query plans; executes nothing."""

    def __init__(self, file: Path) -> None:
        uri = f"{file.absolute().as_uri()}?mode=ro"
        self._connection = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        self._connection.set_busy_timeout(500)

    def close(self) -> None:
        self._connection.close()

    def of(self, sql: str, values: Any) -> tuple[str, ...]:
        if not sql.startswith(("SELECT", "UPDATE", "INSERT", "DELETE", "WITH")):
            return ()
        try:
            found = self._connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)
            return sqlite_plan(found)
        except apsw.Error as error:
            return (f"no plan: {error}",)


class _AnyValue(dict[str, None]):
    """A value for every name: a plan needs none."""

    def __missing__(self, name: str) -> None:
        return None
