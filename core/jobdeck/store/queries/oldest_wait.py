"""Reads how long the oldest ready job of each queue has waited."""

from __future__ import annotations

from collections import defaultdict

from ...model.kind_names import ONE_KIND_SQL
from ..backend import SqlConnection

# Of each lane (queue and kind) and each priority in it, the first few ready rows of the index by lane: they have waited
# longest, or nearly, because a lane is processed by id. Reading a million ready rows would take a second. Lowest priorities
# first: they have the oldest jobs.
_OLDEST = f"""
WITH RECURSIVE
  lane AS (SELECT queue, kind FROM jobdeck_counts WHERE state = 'pending' AND n > 0
              AND queue = coalesce(:queue, queue) AND {ONE_KIND_SQL}),
  step (queue, kind, priority, rest) AS (
    SELECT queue, kind, (SELECT priority FROM jobdeck_jobs AS job
                          WHERE job.state = 'pending' AND job.queue = lane.queue AND job.kind = lane.kind
                          ORDER BY priority LIMIT 1), 32
      FROM lane
     UNION ALL
    SELECT queue, kind, (SELECT priority FROM jobdeck_jobs AS job
                          WHERE job.state = 'pending' AND job.queue = step.queue AND job.kind = step.kind
                            AND job.priority > step.priority
                          ORDER BY priority LIMIT 1), rest - 1
      FROM step WHERE priority IS NOT NULL AND rest > 0)
SELECT queue, (SELECT min(scheduled_at) FROM (
          SELECT scheduled_at FROM jobdeck_jobs AS job
           WHERE job.state = 'pending' AND job.queue = step.queue AND job.kind = step.kind AND job.priority = step.priority
           ORDER BY job.id LIMIT 100) AS first)
  FROM step WHERE priority IS NOT NULL
"""


def oldest_waits(connection: SqlConnection, now: float, queue: str | None = None, kind: str | None = None) -> dict[str, float]:
    """Return the seconds that the oldest ready job of each queue has waited, for queues that have one.

    Exact if jobs became due in the order of their ids; if a hundred or more retried jobs precede the oldest one, the wait of
    the oldest of those.
    """
    since: defaultdict[str, float] = defaultdict(lambda: now)
    for name, due in connection.execute(_OLDEST, {"queue": queue, "kind": kind}):
        if due is not None:
            since[name] = min(since[name], due)
    return {name: now - due for name, due in since.items()}
