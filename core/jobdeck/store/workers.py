"""The workers that report themselves."""

from __future__ import annotations

import json
from collections import Counter

from ..model.overview import Stopping, WorkerInfo
from .backend import House, Sql, rows_of

_COLUMNS = "id, host, pid, threads, queues, started_at, heartbeat_at, beat, draining, kinds, processes, stuck, stopping"
_REPORT = f"""
INSERT INTO jobdeck_workers ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", ")[1:])}
"""


class Workers:
    """Who works here."""

    def __init__(self, house: House) -> None:
        self._house = house

    def report(self, info: WorkerInfo) -> None:
        """See `Store.report_worker`."""
        stopping = json.dumps([(each.job_id, each.kind, each.since, each.why) for each in info.stopping])
        with self._house.writing() as connection:
            now, beat = self._house.now(connection), self._house.lease_now(connection)
            about = (info.id, info.host, info.pid, info.threads, json.dumps(info.queues), info.started_at, now, beat)
            connection.execute(_REPORT, (*about, info.draining, json.dumps(info.kinds), info.processes, info.stuck, stopping))

    def forget(self, worker: str) -> None:
        """See `Store.forget_worker`."""
        with self._house.writing() as connection:
            connection.execute("DELETE FROM jobdeck_workers WHERE id = ?", (worker,))

    def prune(self, older_than: float) -> int:
        """See `Store.prune_workers`."""
        with self._house.writing() as connection:
            connection.execute("DELETE FROM jobdeck_workers WHERE beat < ?", (self._house.lease_now(connection) - older_than,))
            return connection.changes()

    def list(self, connection: Sql, lease: float) -> list[WorkerInfo]:
        """See `Store.list_workers`."""
        running = "SELECT worker, count(*) FROM jobdeck_jobs WHERE state = 'running' GROUP BY worker"
        holding = Counter[str]()
        for worker, n in rows_of(connection, running):
            holding[worker] = n
        now = self._house.lease_now(connection)
        return [
            WorkerInfo(
                id=row[0],
                host=row[1],
                pid=row[2],
                threads=row[3],
                queues=tuple(json.loads(row[4])),
                started_at=row[5],
                heartbeat_at=row[6],
                alive=now - row[7] < lease,
                draining=bool(row[8]),
                running=holding[row[0]],
                kinds=tuple(json.loads(row[9])),
                processes=row[10],
                stuck=row[11],
                stopping=tuple(
                    Stopping(job_id=job_id, kind=kind, since=since, why=why) for job_id, kind, since, why in json.loads(row[12])
                ),
            )
            for row in rows_of(connection, f"SELECT {_COLUMNS} FROM jobdeck_workers ORDER BY started_at, id")
        ]
