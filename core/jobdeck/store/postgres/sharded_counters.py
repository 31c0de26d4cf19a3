"""Counters that no transaction waits for.

The depth of a queue changes with every transaction, and so does what was done in the last seconds. Were each such number
one row, PostgreSQL would keep it locked from its change until the commit, and all processes would commit one after the
other. So each connection counts in rows of its own, its *stripe*, which nobody else touches for as long as the connection
lives; the sum over the stripes is the number. A stripe is taken by an advisory lock of the session, which the server lets
go of however the session ends; the next connection goes on with it. Rows that are added one a transaction would do as
well, but have to be summed and removed some thousand times a second, and what was removed is read past until it is
vacuumed; here the rows of a stripe are few, and changed in place.

Connections through a pooler that hands out another session with each transaction cannot hold a stripe (nor listen): jobdeck
needs a connection of its own.
"""

from __future__ import annotations

from .advisory_locks import UPKEEP, pass_door
from .session import Session

NOBODY = -1
"""The stripe into which those are folded that nobody holds."""

# The class of the locks is the table, so that queues in one database do not share stripes. Numbers of objects may be
# larger than a signed integer holds.
_CLASS = "('jobdeck_stripes'::regclass::oid::bigint - 2147483648)::integer"
_TAKE = f"SELECT stripe FROM generate_series(0, 100000) AS stripe WHERE pg_try_advisory_lock({_CLASS}, stripe) LIMIT 1"

_FOLDED = """
WITH gone AS (DELETE FROM jobdeck_stripes WHERE stripe = ? RETURNING queue, kind, state, n)
INSERT INTO jobdeck_stripes (stripe, queue, kind, state, n)
SELECT ?, queue, kind, state, sum(n) FROM gone GROUP BY queue, kind, state
    ON CONFLICT (stripe, queue, kind, state) DO UPDATE SET n = jobdeck_stripes.n + excluded.n
"""

# Where there is no such job any more, what the stripes say of it adds up to nothing, and stripes that are held would keep it
# for as long as their connections live. Who counts there just now is passed over, or waits for a moment.
_EMPTIED = """
WITH empty AS (SELECT queue, kind, state FROM jobdeck_stripes GROUP BY queue, kind, state HAVING sum(n) = 0),
old AS (SELECT one.ctid FROM jobdeck_stripes AS one JOIN empty USING (queue, kind, state) WHERE one.stripe <> ?1
           FOR UPDATE OF one SKIP LOCKED),
gone AS (DELETE FROM jobdeck_stripes USING old WHERE jobdeck_stripes.ctid = old.ctid RETURNING queue, kind, state, n)
INSERT INTO jobdeck_stripes (stripe, queue, kind, state, n)
SELECT ?1::integer, queue, kind, state, sum(n) FROM gone GROUP BY queue, kind, state HAVING sum(n) <> 0
    ON CONFLICT (stripe, queue, kind, state) DO UPDATE SET n = jobdeck_stripes.n + excluded.n
"""


def stripe_of(session: Session) -> int:
    """The stripe that this connection counts in."""
    if session.stripe is None:
        session.stripe = int(session.execute(_TAKE).get)
    return session.stripe


def take_for_transaction(session: Session) -> int:
    """A stripe for as long as this transaction goes on: its connection is not ours, and nothing of ours stays on it."""
    return int(session.execute(_TAKE.replace("try_advisory_lock", "try_advisory_xact_lock")).get)


def fold_stripes(session: Session) -> None:
    """Fold the depth counters of connections that have ended, and of what there is none of, so that they stay few.

    Inside the caller's transaction, which should end soon.
    """
    pass_door(session, UPKEEP)
    for (stripe,) in session.execute("SELECT DISTINCT stripe FROM jobdeck_stripes WHERE stripe >= 0"):
        if stripe == session.stripe or not session.execute(f"SELECT pg_try_advisory_xact_lock({_CLASS}, ?)", (stripe,)).get:
            continue
        session.execute(_FOLDED, (stripe, NOBODY))
    session.execute(_EMPTIED, (NOBODY,))
    session.execute("DELETE FROM jobdeck_stripes WHERE stripe = ? AND n = 0", (NOBODY,))
