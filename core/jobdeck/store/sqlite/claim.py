"""The claim of the SQLite store: which ready jobs a worker gets, and that nobody else does.

A claim is one transaction of three statements, whatever the number of jobs. The *board* says which lanes (a queue and a
kind) have pending jobs and what limits hold; the *pick* reads the first few of each open lane off the index of ready rows;
the claim itself is a single UPDATE that issues the leases and counts the attempts. Each statement returns one row: every
row fetched gives up the interpreter's lock, and beside a busy thread it takes half a millisecond to come back.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from random import Random
from typing import Any

import apsw

from ...clock import Clock
from ...states import State
from ..base import Claimed
from .connection import Connections
from .rows import JOB_COLUMNS, PLACE, job_of, rows_of
from .tally import SqliteTally

_BOARD = """
SELECT json_array(
    json((SELECT json_group_array(json_array(queue, kind, state, n)) FROM jobdeck_counts
      WHERE state IN ('pending', 'running') AND n > 0)),
    json((SELECT json_group_array(json_array(name, paused_at, max_running, rate, rate_period)) FROM jobdeck_queues
      WHERE paused_at IS NOT NULL OR max_running IS NOT NULL OR rate IS NOT NULL)))
"""

# As they will be when they are claimed; what is the same for all of them is put in once they are here, and neither
# written as JSON nor read.
_CLAIMED = {"state": "'running'", "attempt": "attempt + 1", "started_at": "NULL", "worker": "NULL"}
_CLAIMED |= {"lease": ":lease + id", "lease_until": "NULL", "progress": "NULL"}
_COLUMNS = ", ".join(_CLAIMED.get(column, column) for column in JOB_COLUMNS.split(", "))
# The second value says how many of them must not be claimed ahead.
_PICKED = f"SELECT json_group_array(json_array({_COLUMNS}) ORDER BY {{order}}), sum({{unsafe}}) FROM"
_UNSAFE = "crashes > 0 OR attempt + 1 >= max_attempts"
_AGED = "priority + CAST(max(0, :now - scheduled_at) / :ageing AS INTEGER)"

# Of each lane the inner SELECT takes the first few off the index of ready rows; the outer one merges the lanes.
_PICK = f"""
{_PICKED.format(order="priority DESC, id", unsafe=_UNSAFE)} (
    SELECT job.*
      FROM json_each(:lanes) AS lane
     CROSS JOIN jobdeck_jobs AS job
        ON job.id IN (SELECT id FROM jobdeck_jobs AS ready
                       WHERE ready.state = 'pending' AND ready.queue = lane.value ->> 0 AND ready.kind = lane.value ->> 1
                         AND (ready.expires_at IS NULL OR ready.expires_at > :now) AND (ready.crashes = 0 OR :crashed)
                       ORDER BY ready.priority DESC, ready.id LIMIT :limit)
     ORDER BY job.priority DESC, job.id LIMIT :limit)
"""

# With ageing a lane is one priority of a queue and kind: within it the oldest come first, and across lanes the
# effective priority decides (`_AGED` is what ageing.effective_priority computes).
_PICK_AGED = f"""
{_PICKED.format(order=f"{_AGED} DESC, id", unsafe=_UNSAFE)} (
    WITH RECURSIVE band (queue, kind, priority) AS (
        SELECT value ->> 0, value ->> 1,
               (SELECT max(priority) FROM jobdeck_jobs
                 WHERE state = 'pending' AND queue = value ->> 0 AND kind = value ->> 1)
          FROM json_each(:lanes)
        UNION ALL
        SELECT queue, kind,
               (SELECT max(priority) FROM jobdeck_jobs AS next
                 WHERE next.state = 'pending' AND next.queue = band.queue AND next.kind = band.kind
                   AND next.priority < band.priority)
          FROM band WHERE priority IS NOT NULL)
    SELECT job.*
      FROM band
     CROSS JOIN jobdeck_jobs AS job
        ON job.id IN (SELECT id FROM jobdeck_jobs AS ready
                       WHERE ready.state = 'pending' AND ready.queue = band.queue AND ready.kind = band.kind
                         AND ready.priority = band.priority AND (ready.expires_at IS NULL OR ready.expires_at > :now)
                         AND (ready.crashes = 0 OR :crashed)
                       ORDER BY ready.id LIMIT :limit)
     WHERE band.priority IS NOT NULL
     ORDER BY job.{_AGED.replace("scheduled_at", "job.scheduled_at")} DESC, job.id LIMIT :limit)
"""

_CLAIM = """
UPDATE jobdeck_jobs
   SET state = 'running', attempt = attempt + 1, worker = :worker, lease = :lease + id, lease_until = :until,
       started_at = :now, progress = NULL
 WHERE id IN (SELECT value FROM json_each(:ids)) AND state = 'pending'
"""

LIMIT_POLL = 0.1
"""Seconds between two looks while a limit withholds jobs: where another process's job ends, nothing rings."""

_ID, _KIND, _QUEUE, _CRASHES = PLACE["id"], PLACE["kind"], PLACE["queue"], PLACE["crashes"]
_STARTED_AT, _WORKER, _LEASE_UNTIL = PLACE["started_at"], PLACE["worker"], PLACE["lease_until"]
_ATTEMPT, _MAX_ATTEMPTS = PLACE["attempt"], PLACE["max_attempts"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a worker asks for."""

    worker: str
    idle: int
    """Threads that wait for a job."""
    ahead: int
    """Jobs beyond those, to be begun within moments."""
    suspects: bool
    """Whether a job that a crash has interrupted may be among them."""
    kinds: Collection[str]
    limits: Mapping[str, int]
    """Kind → how many may run at once, across all processes."""
    queues: Collection[str]
    lease: float
    ageing: float


class Claims:
    """Claims jobs for workers."""

    def __init__(self, connections: Connections, clock: Clock, random: Random) -> None:
        self._connections = connections
        self._clock = clock
        self._random = random

    def claim(self, wanted: Wanted) -> Claimed:
        """See `Store.claim_jobs`."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        claimed = Claimed()
        with self._connections.writing() as connection:
            rooms = Rooms(connection, wanted, monotonic)
            told = {
                "worker": wanted.worker,
                # Random, and different for each job of the claim; 62 bits so that adding an id stays an integer.
                "lease": self._random.getrandbits(62),
                "until": monotonic + wanted.lease,
                "now": now,
                "ageing": wanted.ageing,
            }
            chosen = _claim(connection, wanted, rooms, told)
            claimed.again = rooms.again
            tally = SqliteTally()
            for (queue, kind), n in Counter((row[_QUEUE], row[_KIND]) for row in chosen).items():
                tally.move(queue, kind, State.PENDING, State.RUNNING, n)
            tally.write(connection)
            rooms.note_starts(connection, monotonic)
        claimed.extend(map(job_of(now - monotonic), chosen))
        return claimed


def _claim(connection: apsw.Connection, wanted: Wanted, rooms: Rooms, told: Mapping[str, Any]) -> list[list[Any]]:
    """Claim what there is for the worker, nearly always in one step.

    Where a step withholds jobs, for their queue or kind has no room left or for they are suspects, it may have seen nothing
    else. The next one then looks past them, for the threads that are still idle.
    """
    claimed: list[list[Any]] = []
    worker, now, until = told["worker"], told["now"], told["until"]
    limit, suspects, past = wanted.idle + wanted.ahead, wanted.suspects, False
    query = _PICK_AGED if wanted.ageing else _PICK
    while limit > 0 and (lanes := rooms.open_lanes()):
        bound = {**told, "lanes": json.dumps(lanes), "limit": limit, "crashed": suspects or not past}
        ((picked, unsafe),) = rows_of(connection, query, bound)
        rows = chosen = json.loads(picked)
        if unsafe or rooms.limited:
            chosen = _chosen(rows, wanted.idle - len(claimed), rooms, suspects=suspects)
        if chosen:
            ids = [row[_ID] for row in chosen]
            connection.execute(_CLAIM, {**told, "ids": json.dumps(ids)})
            assert connection.changes() == len(ids), "a pending job was taken inside the transaction that picked it"
            for row in chosen:
                row[_WORKER], row[_STARTED_AT], row[_LEASE_UNTIL] = worker, now, until
            claimed += chosen
        if len(chosen) == len(rows) or len(rows) < limit:
            break
        suspects = suspects and not any(row[_CRASHES] for row in chosen)
        limit, past = wanted.idle - len(claimed), True
    return claimed


def _chosen(rows: Sequence[list[Any]], idle: int, rooms: Rooms, *, suspects: bool) -> list[list[Any]]:
    """Those of the ready rows, in order, that may be claimed for so many idle threads, and ahead of them.

    Jobs beyond the idle threads have not begun when the process dies, and lose an attempt all the same. So no job is
    claimed ahead for which that would be the last one, or which has been through it before; nor one of a queue with a
    rate, which counts starts. What comes after it waits too, so that the order is kept. A suspect, which a crash has
    interrupted, runs beside no other suspect of the same process: one of them kills, and the others must not be counted
    out for its sake.
    """
    chosen: list[list[Any]] = []
    limited = rooms.limited
    for row in rows:
        crashed = row[_CRASHES] > 0
        if len(chosen) >= idle and (crashed or row[_ATTEMPT] >= row[_MAX_ATTEMPTS] or rooms.rated(row[_QUEUE])):
            break
        if (crashed and not suspects) or (limited and not rooms.take(row[_QUEUE], row[_KIND])):
            continue
        if crashed:
            suspects = False
        chosen.append(row)
    return chosen


class Rooms:
    """The lanes that are open to a worker, and how many more jobs each may start."""

    def __init__(self, connection: apsw.Connection, wanted: Wanted, monotonic: float) -> None:
        lanes, queues = json.loads(connection.execute(_BOARD).get)
        self.again = inf
        """Seconds after which a limit may leave room that it does not leave now."""
        self._started: Counter[str] = Counter()
        running: Counter[str] = Counter()
        by_kind: Counter[str] = Counter()
        for queue, kind, state, n in lanes:
            if state == State.RUNNING:
                running[queue] += n
                by_kind[kind] += n
        paused = set[str]()
        # How many more may run at once of a queue and of a kind, and how many more of a queue may start now.
        self._queues: dict[str, int] = {}
        self._kinds = {kind: max(0, most - by_kind[kind]) for kind, most in wanted.limits.items()}
        self._rates: dict[str, int] = {}
        self._periods: dict[str, float] = {}
        self._free_in: dict[str, float] = {}
        for queue, paused_at, most, rate, period in queues:
            if paused_at is not None:
                paused.add(queue)
                continue
            if most is not None:
                self._queues[queue] = max(0, most - running[queue])
            if rate is not None:
                started, first = _started_since(connection, queue, monotonic - period)
                self._rates[queue] = max(0, rate - started)
                self._periods[queue] = period
                self._free_in[queue] = max(0.001, (monotonic if first is None else first) + period - monotonic)
        self._lanes = [
            (queue, kind)
            for queue, kind, state, _ in lanes
            if state == State.PENDING
            and kind in wanted.kinds
            and (not wanted.queues or queue in wanted.queues)
            and queue not in paused
        ]
        self.limited = bool(self._queues or self._kinds or self._rates)
        """Whether any lane may have less room than it has jobs."""

    def open_lanes(self) -> list[tuple[str, str]]:
        """The lanes with room."""
        return [lane for lane in self._lanes if self._has_room(*lane)] if self.limited else self._lanes

    def rated(self, queue: str) -> bool:
        """Whether the starts of the queue are counted."""
        return queue in self._rates

    def _has_room(self, queue: str, kind: str) -> bool:
        if self._rates.get(queue, 1) <= 0:
            self.again = min(self.again, self._free_in[queue])
            return False
        if self._queues.get(queue, 1) <= 0 or self._kinds.get(kind, 1) <= 0:
            self.again = min(self.again, LIMIT_POLL)
            return False
        return True

    def take(self, queue: str, kind: str) -> bool:
        """Whether one more may start; it is counted if so."""
        if not self._has_room(queue, kind):
            return False
        for rooms, name in ((self._queues, queue), (self._kinds, kind), (self._rates, queue)):
            if name in rooms:
                rooms[name] -= 1
        if queue in self._rates:
            self._started[queue] += 1
        return True

    def note_starts(self, connection: apsw.Connection, monotonic: float) -> None:
        """Keep what was started in queues that have a rate."""
        for queue, n in self._started.items():
            connection.execute(
                "INSERT INTO jobdeck_starts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
                (queue, monotonic, n),
            )
            connection.execute(
                "DELETE FROM jobdeck_starts WHERE queue = ? AND at <= ?", (queue, monotonic - self._periods[queue])
            )


def _started_since(connection: apsw.Connection, queue: str, since: float) -> tuple[int, float | None]:
    """How many have started, and when the first of them did."""
    ((n, first),) = rows_of(
        connection, "SELECT coalesce(sum(n), 0), min(at) FROM jobdeck_starts WHERE queue = ? AND at > ?", (queue, since)
    )
    return n, first
