"""Sharded counters, which no transaction waits for.

The depth of a queue, and the metrics of the last seconds, change with every transaction. If each number were one row,
PostgreSQL would lock it from its change until the commit, and all processes would commit one after the other. So each
connection counts in rows of its own, its *shard* (the column `stripe`), which no other connection touches while it lives; the
sum over the shards is the number. A connection takes a shard by an advisory lock of its session, which the server releases
however the session ends; the next connection continues the shard. Rows that are inserted once per transaction would work
too, but they would have to be summed and deleted some thousand times a second, and deleted rows are read until they are
vacuumed; the rows of a shard are few, and updated in place.

Connections through a pooler that uses another session for each transaction cannot hold a shard, and take one for each
transaction.
"""

from __future__ import annotations

from ..backend import rows_of
from .advisory_locks import UPKEEP, advisory_lock
from .session import Session

UNOWNED_SHARD = -1
"""The shard that shards of closed connections are merged into."""

# The class of the locks is the table, so that queues in one database do not share shards. Object numbers may exceed a signed
# integer.
_CLASS = "('jobdeck_stripes'::regclass::oid::bigint - 2147483648)::integer"
_TAKE = f"SELECT stripe FROM generate_series(0, 100000) AS stripe WHERE pg_try_advisory_lock({_CLASS}, stripe) LIMIT 1"

_FOLDED = """
WITH gone AS (DELETE FROM jobdeck_stripes WHERE stripe = ? RETURNING queue, kind, state, n)
INSERT INTO jobdeck_stripes (stripe, queue, kind, state, n)
SELECT ?, queue, kind, state, sum(n) FROM gone GROUP BY queue, kind, state
    ON CONFLICT (stripe, queue, kind, state) DO UPDATE SET n = jobdeck_stripes.n + excluded.n
"""
_FOLDED_TOTALS = """
WITH gone AS (DELETE FROM jobdeck_totals WHERE stripe = ? RETURNING queue, kind, measure, bucket, n)
INSERT INTO jobdeck_totals (stripe, queue, kind, measure, bucket, n)
SELECT ?, queue, kind, measure, bucket, sum(n) FROM gone GROUP BY queue, kind, measure, bucket
    ON CONFLICT (queue, kind, measure, bucket, stripe) DO UPDATE SET n = jobdeck_totals.n + excluded.n
"""
_STRIPES = """
SELECT stripe FROM jobdeck_stripes WHERE stripe >= 0 UNION SELECT stripe FROM jobdeck_totals WHERE stripe >= 0
"""

# The rows of a counter that has reached 0 cancel out, and held shards would keep them as long as their connections live. Rows
# that a transaction is changing are skipped.
_EMPTIED = """
WITH empty AS (SELECT queue, kind, state FROM jobdeck_stripes GROUP BY queue, kind, state HAVING sum(n) = 0),
old AS (SELECT one.ctid FROM jobdeck_stripes AS one JOIN empty USING (queue, kind, state) WHERE one.stripe <> ?1
           FOR UPDATE OF one SKIP LOCKED),
gone AS (DELETE FROM jobdeck_stripes USING old WHERE jobdeck_stripes.ctid = old.ctid RETURNING queue, kind, state, n)
INSERT INTO jobdeck_stripes (stripe, queue, kind, state, n)
SELECT ?1::integer, queue, kind, state, sum(n) FROM gone GROUP BY queue, kind, state HAVING sum(n) <> 0
    ON CONFLICT (stripe, queue, kind, state) DO UPDATE SET n = jobdeck_stripes.n + excluded.n
"""


def shard_of(session: Session) -> int:
    """Return the shard that this connection counts in, after taking one if it has none."""
    if session.shard is None:
        session.shard = shard_for_transaction(session) if session.pooled else int(session.execute(_TAKE).get)
    return session.shard


def shard_for_transaction(session: Session) -> int:
    """Take a shard until this transaction ends: its session is another one's, and must keep nothing of ours."""
    return int(session.execute(_TAKE.replace("try_advisory_lock", "try_advisory_xact_lock")).get)


def fold_shards(session: Session) -> None:
    """Merge the shards of closed connections and delete counters that are 0, to keep the number of rows small.

    Runs inside the caller's transaction, which should end soon.
    """
    advisory_lock(session, UPKEEP)
    for (stripe,) in rows_of(session, _STRIPES):
        if stripe == session.shard or not session.execute(f"SELECT pg_try_advisory_xact_lock({_CLASS}, ?)", (stripe,)).get:
            continue
        session.execute(_FOLDED, (stripe, UNOWNED_SHARD))
        session.execute(_FOLDED_TOTALS, (stripe, UNOWNED_SHARD))
    session.execute(_EMPTIED, (UNOWNED_SHARD,))
    session.execute("DELETE FROM jobdeck_stripes WHERE stripe = ? AND n = 0", (UNOWNED_SHARD,))
