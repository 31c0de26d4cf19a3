"""The claim of the PostgreSQL store: which ready jobs a worker gets, and that nobody else does.

Three statements, as in SQLite. The *board* says which lanes (a queue and a kind) have pending jobs and what limits hold; the
*pick* reads the first few of each open lane off the index of ready rows, and locks none; the claim itself is a single UPDATE
that takes those of the chosen which nobody else is just taking (`SKIP LOCKED`), issues the leases and counts the attempts.
Where others were faster, the next round looks past what they took, and further. So nobody waits for anybody, and no row is
locked that is not claimed.

Limits hold across all processes. Where one is set, those who claim under it do so one after the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any

from ...model.states import State
from ..base import Claimed
from ..claim_capacity import Rooms, Wanted, choose
from ..records import JOB_COLUMNS, PLACE, Row, job_of
from .advisory_locks import LIMITS, pass_door
from .connection import Connections
from .counters import PostgresTally
from .session import Session, rows_of

_LANES = "SELECT queue, kind, state, n FROM jobdeck_counts WHERE state IN ('pending', 'running') AND n > 0"
_QUEUES = """
SELECT name, paused_at, max_running, rate, rate_period FROM jobdeck_queues
 WHERE paused_at IS NOT NULL OR max_running IS NOT NULL OR rate IS NOT NULL
"""

# What is decided by, as it will be when they are claimed; the rest is read by the claim.
_DECIDED = {"id": "job.id", "kind": "job.kind", "queue": "job.queue", "crashes": "job.crashes"}
_DECIDED |= {"attempt": "job.attempt + 1", "max_attempts": "job.max_attempts"}
_COLUMNS = ", ".join(_DECIDED.get(column, "NULL") for column in JOB_COLUMNS.split(", "))
_READY = """ready.state = 'pending' AND ready.queue = {lane}.queue AND ready.kind = {lane}.kind
       AND (ready.expires_at IS NULL OR ready.expires_at > :now) AND (ready.crashes = 0 OR :crashed::boolean)
       AND ready.id <> ALL(:passed::bigint[])"""
_AGED = "{}priority + trunc(greatest(0, :now::double precision - {}scheduled_at) / :ageing::double precision)::bigint"

_PICK = f"""
SELECT {_COLUMNS}
  FROM unnest(:queues::text[], :kinds::text[]) AS lane (queue, kind)
 CROSS JOIN LATERAL (
    SELECT * FROM jobdeck_jobs AS ready WHERE {_READY.format(lane="lane")}
     ORDER BY ready.priority DESC, ready.id LIMIT :limit) AS job
 ORDER BY job.priority DESC, job.id LIMIT :limit
"""

# With ageing a lane is one priority of a queue and kind: within it the oldest come first, and across lanes the
# effective priority decides (`_AGED` is what ageing.effective_priority computes).
_PICK_AGED = f"""
WITH RECURSIVE band (queue, kind, priority) AS (
    SELECT lane.queue, lane.kind, (SELECT max(priority) FROM jobdeck_jobs
             WHERE state = 'pending' AND queue = lane.queue AND kind = lane.kind)
      FROM unnest(:queues::text[], :kinds::text[]) AS lane (queue, kind)
    UNION ALL
    SELECT queue, kind, (SELECT max(priority) FROM jobdeck_jobs AS next
             WHERE next.state = 'pending' AND next.queue = band.queue AND next.kind = band.kind
               AND next.priority < band.priority)
      FROM band WHERE priority IS NOT NULL)
SELECT {_COLUMNS}
  FROM band
 CROSS JOIN LATERAL (
    SELECT * FROM jobdeck_jobs AS ready WHERE {_READY.format(lane="band")} AND ready.priority = band.priority
     ORDER BY ready.id LIMIT :limit) AS job
 WHERE band.priority IS NOT NULL
 ORDER BY {_AGED.format("job.", "job.")} DESC, job.id LIMIT :limit
"""

# The time is read as late as can be: a job that was committed since the transaction began must not start before it was due.
_NOW = "coalesce(:now::double precision, extract(epoch FROM clock_timestamp()))"
_LEASE_NOW = "coalesce(:lease_now::double precision, extract(epoch FROM clock_timestamp()))"
# It may have been edited since it was picked, and be in another lane.
_CLAIM = f"""
WITH mine AS MATERIALIZED (
    SELECT ready.id, wanted.place
      FROM unnest(:ids::bigint[], :queues::text[]) WITH ORDINALITY AS wanted (id, queue, place)
      JOIN jobdeck_jobs AS ready ON ready.id = wanted.id
     WHERE ready.state = 'pending' AND ready.queue = wanted.queue
     ORDER BY wanted.place LIMIT :limit FOR UPDATE OF ready SKIP LOCKED),
claimed AS (
    UPDATE jobdeck_jobs AS job
       SET state = 'running', attempt = attempt + 1, worker = :worker, lease = :lease::bigint + job.id,
           lease_until = {_LEASE_NOW} + :seconds::double precision, started_at = {_NOW}, progress = NULL
      FROM mine WHERE job.id = mine.id
 RETURNING {", ".join(f"job.{column}" for column in JOB_COLUMNS.split(", "))}, mine.place)
SELECT {JOB_COLUMNS} FROM claimed ORDER BY place
"""

_FURTHER = 4
"""How many times as many jobs each round looks at where others took those of the round before."""

_ID, _KIND, _QUEUE, _CRASHES = PLACE["id"], PLACE["kind"], PLACE["queue"], PLACE["crashes"]


class Claims:
    """Claims jobs for workers."""

    def __init__(self, connections: Connections, random: Random) -> None:
        self._connections = connections
        self._random = random

    def claim(self, wanted: Wanted) -> Claimed:
        """See `Store.claim_jobs`."""
        claimed = Claimed()
        with self._connections.writing() as session:
            now = self._connections.lease_now(session)
            rooms = _rooms(session, wanted, now)
            if rooms.limited and rooms.open_lanes():
                pass_door(session, LIMITS)
                rooms = _rooms(session, wanted, now)
            rows = self._claim(session, wanted, rooms)
            claimed.again = rooms.again
            if rows:
                tally = PostgresTally()
                for (queue, kind), n in Counter((row[_QUEUE], row[_KIND]) for row in rows).items():
                    tally.move(queue, kind, State.PENDING, State.RUNNING, n)
                tally.write(session)
                _note_starts(session, rooms, now)
        claimed.extend(map(job_of(self._connections.lease_skew()), rows))
        return claimed

    def _claim(self, session: Session, wanted: Wanted, rooms: Rooms) -> list[Row]:
        """Claim what there is for the worker, nearly always in one round.

        Where a round withholds jobs, for their queue or kind has no room left, or they are suspects, or somebody else takes
        them at this moment, it may have seen nothing else. The next one then looks past them, for the threads that are
        still idle.
        """
        given_now, given_lease_now = self._connections.given_times(session)
        told = {
            "now": given_now,
            "lease_now": given_lease_now,
            "worker": wanted.worker,
            # Random, and different for each job of the claim; 62 bits so that adding an id stays an integer.
            "lease": self._random.getrandbits(62),
            "seconds": wanted.lease,
        }
        bound: dict[str, Any] = {"now": self._connections.now(session), "ageing": wanted.ageing}
        query = _PICK_AGED if wanted.ageing else _PICK
        claimed: list[Row] = []
        passed: list[int] = []
        need, suspects = wanted.idle + wanted.ahead, wanted.suspects
        limit = need
        while need > 0 and (lanes := rooms.open_lanes()):
            queues, kinds = map(list, zip(*lanes, strict=True))
            picking = {"queues": queues, "kinds": kinds, "limit": limit, "passed": passed, "crashed": suspects}
            picked = rows_of(session, query, bound | picking)
            idle = wanted.idle - len(claimed)
            chosen = choose(picked, idle, rooms, suspects=suspects)
            ids = [row[_ID] for row in chosen]
            taking = {"ids": ids, "queues": [row[_QUEUE] for row in chosen], "limit": need}
            mine = rows_of(session, _CLAIM, told | taking) if chosen else []
            got = {row[_ID] for row in mine}
            for row in chosen:
                if row[_ID] not in got:
                    rooms.give_back(row[_QUEUE], row[_KIND])
            claimed += mine
            # Once there are as many as idle threads, what comes after the last of them was not looked at.
            seen = len(picked) if len(chosen) < idle else [row[_ID] for row in picked].index(ids[-1]) + 1 if ids else 0
            passed += [row[_ID] for row in picked[:seen] if row[_ID] not in got]
            if seen == len(picked) < limit:
                break
            suspects = suspects and not any(row[_CRASHES] for row in mine)
            need = wanted.idle - len(claimed)
            limit = limit * _FURTHER if len(mine) < len(chosen) else need
        return claimed


def _rooms(session: Session, wanted: Wanted, now: float) -> Rooms:
    lanes, queues = rows_of(session, _LANES), rows_of(session, _QUEUES)
    return Rooms(wanted, _four(lanes), _five(queues), partial(_started_within, session, now))


def _four(rows: Sequence[Row]) -> list[tuple[str, str, str, int]]:
    return [(queue, kind, state, n) for queue, kind, state, n in rows]


def _five(rows: Sequence[Row]) -> list[tuple[str, float | None, int | None, int | None, float | None]]:
    return [(name, paused_at, most, rate, period) for name, paused_at, most, rate, period in rows]


def _started_within(session: Session, now: float, queue: str, period: float) -> tuple[int, float]:
    """How many have started in the last `period` seconds, and in how many seconds the first of them did so longer ago."""
    ((n, first),) = rows_of(
        session,
        "SELECT coalesce(sum(n), 0), min(at) FROM jobdeck_starts WHERE queue = ? AND at > ?",
        (queue, now - period),
    )
    return n, (now if first is None else first) + period - now


def _note_starts(session: Session, rooms: Rooms, now: float) -> None:
    """Keep what was started in queues that have a rate."""
    for queue, n in rooms.started.items():
        if n:
            session.execute(
                "INSERT INTO jobdeck_starts (queue, at, n) VALUES (?, ?, ?)"
                " ON CONFLICT (queue, at) DO UPDATE SET n = jobdeck_starts.n + excluded.n",
                (queue, now, n),
            )
            session.execute("DELETE FROM jobdeck_starts WHERE queue = ? AND at <= ?", (queue, now - rooms.periods[queue]))
