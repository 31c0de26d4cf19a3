"""Looking: reads of the SQLite store. None of them counts rows where a counter knows."""

from __future__ import annotations

import json
from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from sys import byteorder

import apsw

from ...clock import Clock
from ...jobs import Attempt, Batch, Job, Limits, LogLine, Overview, QueueInfo, Stopping, WorkerInfo
from ...query import Condition
from ...states import State
from ..looking.dialect import Bound
from ..looking.pages import count_query, ids_query
from ..measuring import Slices, measured
from .conditions import SQLITE
from .connection import Connections
from .house import read_jobs
from .rows import ATTEMPT_COLUMNS, JOB_COLUMNS, LOG_COLUMNS, attempt_of, job_of, log_line_of, rows_of

RUNNING_SHOWN = 1000
_WIDTHS = {True: "%08X", False: "%016X"}
"""How ids are written where all are small, which takes half the memory, and where they are not."""
_PIECE = 20_000
_DUE = "SELECT min(scheduled_at) FROM jobdeck_jobs INDEXED BY jobdeck_due WHERE state IN ('scheduled', 'retrying')"
_DUE_OR_EXPIRING = f"""
SELECT min(at) FROM (
    SELECT ({_DUE}) AS at
    UNION ALL
    SELECT * FROM (SELECT expires_at FROM jobdeck_jobs INDEXED BY jobdeck_expiring
     WHERE expires_at IS NOT NULL AND finished_at IS NULL AND state <> 'running' ORDER BY expires_at LIMIT 1))
"""


class Looks:
    """Reads."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        self._connections = connections
        self._clock = clock

    def _skew(self) -> float:
        return self._clock.now() - self._clock.monotonic()

    def next_due_at(self) -> float | None:
        """See `Store.next_due_at`."""
        with self._connections.reading() as connection:
            due: float | None = connection.execute(_DUE_OR_EXPIRING).get
            return due

    def jobs(self, ids: Sequence[int]) -> list[Job]:
        """See `Store.get_jobs`."""
        with self._connections.reading() as connection:
            found = {job.id: job for job in read_jobs(connection, ids, self._skew())}
        return [found[job_id] for job_id in ids if job_id in found]

    def page(self, condition: Condition, limit: int, sort: str, descending: bool) -> list[Job]:
        """See `Store.list_jobs`."""
        with self._connections.reading() as connection:
            ids = [row[0] for row in connection.execute(*self._ids_query(connection, condition, sort, descending, limit))]
            found = {job.id: job for job in read_jobs(connection, ids, self._skew())}
        return [found[job_id] for job_id in ids]

    def ids(self, condition: Condition, sort: str, descending: bool, limit: int | None) -> array[int]:
        """See `Store.list_ids`."""
        with self._connections.reading() as connection:
            query, bound = self._ids_query(connection, condition, sort, descending, limit)
            # One row holding all the ids, as the bytes of an array: fetching a million rows one by one would take and give
            # back the interpreter's lock a million times, and reading a million numbers would keep it from the screen.
            narrow = int(connection.execute("SELECT coalesce(max(id), 0) FROM jobdeck_jobs").get) < 2**32
            joined = rows_of(
                connection,
                f"SELECT unhex(group_concat(format(:width, id), '')) FROM ({query})",
                {**bound, "width": _WIDTHS[narrow]},
            )
        found = array("I" if narrow else "q", joined[0][0] or b"")
        if byteorder == "little":
            found.byteswap()
        if not narrow:
            return found
        ids = array("q")
        for start in range(0, len(found), _PIECE):  # in pieces, so that others get the interpreter in between
            ids.extend(iter(found[start : start + _PIECE]))
        return ids

    def _ids_query(
        self, connection: apsw.Connection, condition: Condition, sort: str, descending: bool, limit: int | None
    ) -> tuple[str, Bound]:
        return ids_query(connection, SQLITE, condition, self._clock.now(), sort, descending, limit)

    def count(self, condition: Condition) -> int:
        """See `Store.count_jobs`."""
        with self._connections.reading() as connection:
            return int(connection.execute(*count_query(SQLITE, condition, self._clock.now())).get)

    def states(self, condition: Condition) -> dict[State, int]:
        """See `Store.count_states`."""
        with self._connections.reading() as connection:
            counted = rows_of(connection, *count_query(SQLITE, condition, self._clock.now(), by="state"))
        return {State(state): n for state, n in counted if n}

    def batch(self, batch: int) -> Batch | None:
        """See `Store.get_batch`."""
        with self._connections.reading() as connection:
            found = rows_of(connection, "SELECT id, name, total, created_at FROM jobdeck_batches WHERE id = ?", (batch,))
            counts = rows_of(connection, "SELECT state, count(*) FROM jobdeck_jobs WHERE batch = ? GROUP BY state", (batch,))
        if not found:
            return None
        ((id, name, total, created_at),) = found
        told = {State(state): int(n) for state, n in counts}
        return Batch(id=id, name=name, total=total, created_at=created_at, counts=told)

    def attempts(self, job_id: int) -> list[Attempt]:
        """See `Store.list_attempts`."""
        with self._connections.reading() as connection:
            rows = connection.execute(
                f"SELECT {ATTEMPT_COLUMNS} FROM jobdeck_attempts WHERE job_id = ? ORDER BY started_at, number", (job_id,)
            )
            found = [*map(attempt_of, rows)]
            job = next(read_jobs(connection, [job_id], 0.0), None)
        if job is not None and job.state is State.RUNNING:
            begun = job.started_at or 0.0
            found.append(Attempt(job_id=job_id, number=job.attempt, worker=job.worker or "", started_at=begun))
        return found

    def logs(self, job_id: int, attempt: int | None, after: int, limit: int) -> list[LogLine]:
        """See `Store.read_logs`."""
        with self._connections.reading() as connection:
            rows = connection.execute(
                f"SELECT {LOG_COLUMNS} FROM jobdeck_logs WHERE job_id = ? AND id > ? AND attempt = coalesce(?, attempt)"
                " ORDER BY id DESC LIMIT ?",
                (job_id, after, attempt, limit),
            )
            return [*map(log_line_of, rows)][::-1]

    def queues(self) -> list[QueueInfo]:
        """See `Store.list_queues`."""
        with self._connections.reading() as connection:
            return _queues(connection)

    def workers(self, lease: float) -> list[WorkerInfo]:
        """See `Store.list_workers`."""
        with self._connections.reading() as connection:
            return self._workers(connection, lease)

    def _workers(self, connection: apsw.Connection, lease: float) -> list[WorkerInfo]:
        holding = Counter(
            row[0] for row in connection.execute("SELECT worker FROM jobdeck_jobs WHERE state = 'running'").fetchall()
        )
        rows = connection.execute(
            "SELECT id, host, pid, threads, queues, started_at, heartbeat_at, beat, draining, kinds,"
            " processes, stuck, stopping FROM jobdeck_workers"
            " ORDER BY started_at, id"
        )
        monotonic = self._clock.monotonic()
        return [
            WorkerInfo(
                id=row[0],
                host=row[1],
                pid=row[2],
                threads=row[3],
                queues=tuple(json.loads(row[4])),
                started_at=row[5],
                heartbeat_at=row[6],
                alive=monotonic - row[7] < lease,
                draining=row[8] == 1,
                running=holding[row[0]],
                kinds=tuple(json.loads(row[9])),
                processes=row[10],
                stuck=row[11],
                stopping=tuple(
                    Stopping(job_id=job_id, kind=kind, since=since, why=why) for job_id, kind, since, why in json.loads(row[12])
                ),
            )
            for row in rows
        ]

    def overview(self, seconds: float, slots: int, lease: float) -> Overview:
        """See `Store.overview`."""
        now = self._clock.now()
        with self._connections.reading() as connection:
            queues = _queues(connection)
            workers = self._workers(connection, lease)
            running = connection.execute(
                f"SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE state = 'running' ORDER BY started_at, id LIMIT {RUNNING_SHOWN}"
            ).fetchall()
            next_due_at: float | None = connection.execute(_DUE).get
            made, total = measured(connection, Slices.of(now, seconds, slots), now)
        counts: Counter[State] = Counter()
        for queue in queues:
            counts.update(queue.counts)
        return Overview(
            at=now,
            counts=counts,
            queues=tuple(queues),
            workers=tuple(workers),
            running=tuple(map(job_of(self._skew()), running)),
            slots=made,
            run=total.run,
            wait=total.wait,
            next_due_at=next_due_at,
        )


def _queues(connection: apsw.Connection) -> list[QueueInfo]:
    counts: defaultdict[str, Counter[State]] = defaultdict(Counter)
    for queue, state, n in connection.execute("SELECT queue, state, sum(n) FROM jobdeck_counts GROUP BY queue, state"):
        if n:
            counts[queue][State(state)] = n
    rows = rows_of(connection, "SELECT name, paused_at, max_running, rate, rate_period FROM jobdeck_queues")
    told = {name: (paused_at, Limits(running=most, rate=rate, period=period)) for name, paused_at, most, rate, period in rows}
    known = {name for name, (paused_at, limits) in told.items() if paused_at is not None or limits != Limits()}
    nothing = (None, Limits())
    return [
        QueueInfo(
            name=name,
            counts=dict(counts[name]),
            paused_at=told.get(name, nothing)[0],
            limits=told.get(name, nothing)[1],
        )
        for name in sorted(counts.keys() | known)
    ]
