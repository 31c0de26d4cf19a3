"""The workers that have reported themselves."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..model.errors import RowDamaged
from ..model.overview import StuckJob, WorkerInfo
from .backend import Backend, retried, rows_of
from .records import RowCheck
from .row_rules import EARLIEST, LATEST

_COLUMNS = "id, host, pid, threads, queues, started_at, heartbeat_at, beat, draining, kinds, processes, stuck, stopping"
_check = RowCheck("jobdeck_workers", _COLUMNS)
_RUNNING = "SELECT worker, count(*) FROM jobdeck_jobs WHERE state = 'running' GROUP BY worker"
_REPORT = f"""
INSERT INTO jobdeck_workers ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
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
        with self._backend.write_transaction() as connection:
            now, beat = self._backend.now(connection), self._backend.lease_now(connection)
            about = (info.id, info.host, info.pid, info.threads, json.dumps(info.queues), info.started_at, now, beat)
            connection.execute(_REPORT, (*about, info.draining, json.dumps(info.kinds), info.processes, info.stuck, stopping))

    @retried
    def deregister(self, worker: str) -> None:
        """Remove a worker that has shut down."""
        with self._backend.write_transaction() as connection:
            connection.execute("DELETE FROM jobdeck_workers WHERE id = ?", (worker,))

    @retried
    def prune(self, older_than: float) -> int:
        """Remove workers whose last heartbeat is more than `older_than` seconds old; return their number."""
        with self._backend.write_transaction() as connection:
            before = self._backend.lease_now(connection) - older_than
            connection.execute("DELETE FROM jobdeck_workers WHERE beat < ?", (before,))
            return connection.changes()

    def list(self, lease: float) -> Sequence[WorkerInfo]:
        """Return the registered workers, oldest first. A worker is alive if its last heartbeat is under `lease` seconds old."""
        holding = Counter[str]()
        with self._backend.read_transaction() as connection:
            for worker, n in rows_of(connection, _RUNNING):
                holding[worker] = n
            rows = rows_of(connection, f"SELECT {_COLUMNS} FROM jobdeck_workers ORDER BY started_at, id")
            now = self._backend.lease_now(connection)
        for row in rows:
            _check(row)
        return [
            WorkerInfo(
                id=row[0],
                host=row[1],
                pid=row[2],
                threads=row[3],
                queues=_names(row[4]),
                started_at=row[5],
                heartbeat_at=row[6],
                alive=now - row[7] < lease,
                draining=bool(row[8]),
                running=holding[row[0]],
                kinds=_names(row[9]),
                processes=row[10],
                stuck=row[11],
                stopping=_stuck_jobs(row[12]),
            )
            for row in rows
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


def _parse(text: str) -> Sequence[Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise RowDamaged("a list in jobdeck_workers") from None
    return found if isinstance(found, list) else []
