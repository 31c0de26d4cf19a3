"""The workers that have reported themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..json_functions import json
from ..model.errors import RowDamaged
from ..model.overview import StalledThread, StuckJob, WorkerInfo
from .backend import Backend, retried, rows_of
from .records import RowCheck
from .row_rules import EARLIEST, LATEST

_COLUMNS = (
    "id, host, pid, threads, queues, started_at, heartbeat_at, beat, draining, kinds, processes, stuck, stopping, boot, stalled"
)
_check = RowCheck("jobdeck_workers", _COLUMNS)
_RUNNING = "SELECT worker, count(*) FROM jobdeck_jobs WHERE state = 'running' GROUP BY worker"
_IDLE = "NOT EXISTS (SELECT 1 FROM jobdeck_jobs WHERE state = 'running' AND worker = jobdeck_workers.id)"
_REPORT = f"""
INSERT INTO jobdeck_workers ({_COLUMNS}) VALUES ({", ".join("?" * len(_COLUMNS.split(", ")))})
    ON CONFLICT (id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", ")[1:])}
"""


class Workers:
    """The table of workers."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @retried
    def report(self, info: WorkerInfo) -> None:
        """Record that the worker is alive. Its `heartbeat_at` becomes now."""
        stopping = json.dumps([(each.job_id, each.kind, each.since, each.reason) for each in info.stopping])
        stalled = json.dumps([(each.thread, each.since, each.error) for each in info.stalled])
        with self._backend.write_transaction() as connection:
            now, beat = self._backend.now(connection), self._backend.lease_now(connection)
            about = (info.id, info.host, info.pid, info.threads, json.dumps(info.queues), info.started_at, now, beat)
            doing = (info.draining, json.dumps(info.kinds), info.processes, info.stuck, stopping)
            connection.execute(_REPORT, (*about, *doing, self._backend.boot(), stalled))

    @retried
    def deregister(self, worker: str) -> None:
        """Remove a worker that has shut down."""
        with self._backend.write_transaction() as connection:
            connection.execute("DELETE FROM jobdeck_workers WHERE id = ?", (worker,))

    @retried
    def prune(self, older_than: float) -> int:
        """Remove workers whose last heartbeat is more than `older_than` seconds old; return their number.

        Those that hold jobs remain: their rows say by which clock the leases end.
        """
        with self._backend.write_transaction() as connection:
            before = (self._backend.lease_now(connection) - older_than, self._backend.now(connection) - older_than)
            connection.execute(
                f"DELETE FROM jobdeck_workers WHERE CASE WHEN boot = ? THEN beat < ? ELSE heartbeat_at < ? END AND {_IDLE}",
                (self._backend.boot(), *before),
            )
            return connection.changes()

    def list(self, lease: float) -> Sequence[WorkerInfo]:
        """Return the registered workers, oldest first. A worker is alive if its last heartbeat is under `lease` seconds old.

        The heartbeats of another boot (a container's, say) are measured on the wall clock.
        """
        holding = Counter[str]()
        with self._backend.read_transaction() as connection:
            for worker, n in rows_of(connection, _RUNNING):
                holding[worker] = n
            rows = rows_of(connection, f"SELECT {_COLUMNS} FROM jobdeck_workers ORDER BY started_at, id")
            now, wall, boot = self._backend.lease_now(connection), self._backend.now(connection), self._backend.boot()
        for row in rows:
            _check(row)
        silent = [now - row[7] if row[13] == boot else wall - row[6] for row in rows]
        return [
            WorkerInfo(
                id=row[0],
                host=row[1],
                pid=row[2],
                threads=row[3],
                queues=_names(row[4]),
                started_at=row[5],
                heartbeat_at=row[6],
                alive=silent_for < lease,
                silent_for=max(0.0, silent_for),
                draining=bool(row[8]),
                running=holding[row[0]],
                kinds=_names(row[9]),
                processes=row[10],
                stuck=row[11],
                stopping=_stuck_jobs(row[12]),
                stalled=_stalled_threads(row[14]),
            )
            for row, silent_for in zip(rows, silent, strict=True)
        ]


def _names(text: str) -> tuple[str, ...]:
    return tuple(map(str, _parse(text)))


def _stuck_jobs(text: str) -> tuple[StuckJob, ...]:
    found = []
    for each in _parse(text):
        match each:
            case [int(job_id), str(kind), int() | float() as since, str(why)] if EARLIEST <= since <= LATEST:
                found.append(StuckJob(job_id=job_id, kind=kind, since=since, reason=why))
    return tuple(found)


def _stalled_threads(text: str) -> tuple[StalledThread, ...]:
    found = []
    for each in _parse(text):
        match each:
            case [str(name), int() | float() as since, str() | None as error] if EARLIEST <= since <= LATEST:
                found.append(StalledThread(thread=name, since=since, error=error))
    return tuple(found)


def _parse(text: str) -> Sequence[Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise RowDamaged("a list in jobdeck_workers") from None
    return found if isinstance(found, list) else []
