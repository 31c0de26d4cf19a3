"""The claim of the SQLite store: which ready jobs a worker gets, and that nobody else does.

A claim is one transaction of three statements, whatever the number of jobs. The *board* says which lanes (a queue and a
kind) have pending jobs and what limits hold; the *pick* reads the first few of each open lane off the index of ready rows;
the claim itself is a single UPDATE that issues the leases and counts the attempts. Each statement returns one row: every
row fetched gives up the interpreter's lock, and beside a busy thread it takes half a millisecond to come back.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from functools import partial
from random import Random
from typing import Any

import apsw

from ...clock import Clock
from ...model.states import State
from ..base import Claimed
from ..claim_capacity import Rooms, Wanted, choose
from .connection import Connections
from .counters import SqliteTally
from .rows import JOB_COLUMNS, PLACE, job_of, rows_of

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

_ID, _KIND, _QUEUE, _CRASHES = PLACE["id"], PLACE["kind"], PLACE["queue"], PLACE["crashes"]
_STARTED_AT, _WORKER, _LEASE_UNTIL = PLACE["started_at"], PLACE["worker"], PLACE["lease_until"]


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
            rooms = _rooms(connection, wanted, monotonic)
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
            _note_starts(connection, rooms, monotonic)
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
            chosen = choose(rows, wanted.idle - len(claimed), rooms, suspects=suspects)
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


def _rooms(connection: apsw.Connection, wanted: Wanted, monotonic: float) -> Rooms:
    lanes, queues = json.loads(connection.execute(_BOARD).get)
    return Rooms(wanted, lanes, queues, partial(_started_within, connection, monotonic))


def _started_within(connection: apsw.Connection, monotonic: float, queue: str, period: float) -> tuple[int, float]:
    """How many have started in the last `period` seconds, and in how many seconds the first of them did so longer ago."""
    ((n, first),) = rows_of(
        connection,
        "SELECT coalesce(sum(n), 0), min(at) FROM jobdeck_starts WHERE queue = ? AND at > ?",
        (queue, monotonic - period),
    )
    return n, (monotonic if first is None else first) + period - monotonic


def _note_starts(connection: apsw.Connection, rooms: Rooms, monotonic: float) -> None:
    """Keep what was started in queues that have a rate."""
    for queue, n in rooms.started.items():
        connection.execute(
            "INSERT INTO jobdeck_starts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", (queue, monotonic, n)
        )
        connection.execute("DELETE FROM jobdeck_starts WHERE queue = ? AND at <= ?", (queue, monotonic - rooms.periods[queue]))
