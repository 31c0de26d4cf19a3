"""Every queue as it stands, with its last minutes, read in one transaction and in few statements however many queues."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import apsw

from ...backlog import Backlog, served_by
from ...jobs import QueueInfo, WorkerInfo
from ...states import State
from ..histogram import bucket
from .depths import oldest_waits
from .measures import RUNNING, WIDTHS, Slices, Sums
from .rows import rows_of

_MEASURED = f"""
SELECT queue, CAST((slot - :begin) / :width AS INTEGER), measure, bucket, sum(n) FROM jobdeck_metrics
 WHERE width IN ({", ".join(map(str, WIDTHS))}) AND slot >= :begin GROUP BY 1, 2, 3, 4
"""

Kinds = Mapping[str, Mapping[State, int]]


def read_backlogs(
    connection: apsw.Connection, queues: Sequence[QueueInfo], workers: Sequence[WorkerInfo], slices: Slices, now: float
) -> list[Backlog]:
    """The backlog of each of the queues."""
    sums = _sums(connection, slices)
    kinds = _kinds(connection)
    waits = oldest_waits(connection, now)
    samples = _samples(connection, slices.begin)
    found = []
    for queue in queues:
        name = queue.name
        whole = Sums()
        for each in sums[name].values():
            whole.merge(each)
        found.append(
            Backlog(
                at=now,
                info=queue,
                slots=tuple(
                    sums[name][index].slot(slices.begin + index * slices.width, slices.width) for index in range(slices.count)
                ),
                total=whole.slot(slices.begin, max(1.0, now - slices.begin)),
                oldest=waits.get(name),
                kinds=kinds[name],
                served_by=tuple(served_by(workers, name, kinds[name], now)),
                trail=(*((at, depths.get(name, 0)) for at, depths in samples.items()), (now, queue.pending)),
            )
        )
    return found


def _sums(connection: apsw.Connection, slices: Slices) -> Mapping[str, Mapping[int, Sums]]:
    sums: defaultdict[str, defaultdict[int, Sums]] = defaultdict(lambda: defaultdict(Sums))
    bound = {"begin": slices.begin, "width": slices.width, "queue": None, "kind": None}
    for queue, index, measure, step, n in connection.execute(_MEASURED, bound):
        sums[queue][index].add(measure, step, n)
    for queue, _, started, due in connection.execute(RUNNING, bound):
        sums[queue][int((started - slices.begin) // slices.width)].add("wait", bucket(started - due), 1)
    return sums


def _kinds(connection: apsw.Connection) -> Mapping[str, Kinds]:
    kinds: defaultdict[str, dict[str, dict[State, int]]] = defaultdict(dict)
    for queue, kind, state, n in connection.execute("SELECT queue, kind, state, n FROM jobdeck_counts WHERE n > 0"):
        kinds[queue].setdefault(kind, {})[State(state)] = n
    return kinds


def _samples(connection: apsw.Connection, begin: float) -> Mapping[float, Mapping[str, int]]:
    """Moment → queue → ready jobs, of the samples since `begin`. A queue that is missing in one had none."""
    samples: dict[float, dict[str, int]] = {}
    query = "SELECT slot, queue, pending FROM jobdeck_depths WHERE slot >= ? ORDER BY slot"
    for slot, queue, pending in rows_of(connection, query, (begin,)):
        samples.setdefault(float(slot), {})[queue] = pending
    return samples
