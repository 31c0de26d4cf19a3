"""Reads the state of every queue, with its last minutes, in one transaction and a constant number of statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...model.forecast import QueueStats, find_serving_workers
from ...model.overview import Latency, QueueInfo, TimeSlice, WorkerInfo
from ...model.states import State
from ..backend import SqlConnection, rows_of
from ..metrics.histogram import bucket
from ..metrics.time_slices import RUNNING, WIDTHS, SliceTotals, TimeSlices
from ..records import state_of
from .oldest_wait import oldest_waits

_FROM = f"FROM jobdeck_metrics WHERE width IN ({', '.join(map(str, WIDTHS))}) AND slot >= :begin"
# Two queries over the same rows: their product, buckets by slices, has ten times as many rows, which no caller needs.
_BY_SLICE = f"SELECT queue, CAST((slot - :begin) / :width AS INTEGER), measure, sum(n) {_FROM} GROUP BY 1, 2, 3"
_BY_BUCKET = f"SELECT queue, measure, bucket, sum(n) {_FROM} GROUP BY 1, 2, 3"

Kinds = Mapping[str, Mapping[State, int]]


def read_queue_stats(
    connection: SqlConnection, queues: Sequence[QueueInfo], workers: Sequence[WorkerInfo], slices: TimeSlices, now: float
) -> list[QueueStats]:
    """Return the stats of each queue."""
    sums, whole = _sums(connection, slices)
    kinds = _kinds(connection)
    waits = oldest_waits(connection, now)
    samples = _samples(connection, slices.begin)
    found = []
    for queue in queues:
        name = queue.name
        found.append(
            QueueStats(
                at=now,
                info=queue,
                slices=tuple(_counted(sums[name].get(index), slices, index) for index in range(slices.count)),
                total=whole[name].slot(slices.begin, max(1.0, now - slices.begin)),
                oldest_wait=waits.get(name),
                kinds=kinds[name],
                served_by=tuple(find_serving_workers(workers, name, kinds[name], now)),
                depth_history=(*((at, depths.get(name, 0)) for at, depths in samples.items()), (now, queue.pending)),
            )
        )
    return found


def _sums(
    connection: SqlConnection, slices: TimeSlices
) -> tuple[Mapping[str, Mapping[int, SliceTotals]], Mapping[str, SliceTotals]]:
    """Return the totals of each queue by slice, without durations, and its overall totals, with durations."""
    sums: defaultdict[str, defaultdict[int, SliceTotals]] = defaultdict(lambda: defaultdict(SliceTotals))
    whole: defaultdict[str, SliceTotals] = defaultdict(SliceTotals)
    bound = {"begin": slices.begin, "width": slices.width}
    for queue, index, measure, n in connection.execute(_BY_SLICE, bound):
        sums[queue][index].add(measure, 0, n)
    for queue, measure, step, n in connection.execute(_BY_BUCKET, {"begin": slices.begin}):
        whole[queue].add(measure, step, n)
    for queue, _, started, due in connection.execute(RUNNING, {"begin": slices.begin, "queue": None, "kind": None}):
        step = bucket(started - due)
        sums[queue][int((started - slices.begin) // slices.width)].add("wait", step, 1)
        whole[queue].add("wait", step, 1)
    return sums, whole


def _counted(sums: SliceTotals | None, slices: TimeSlices, index: int) -> TimeSlice:
    at = slices.begin + index * slices.width
    if sums is None:  # as are most slices of most queues
        return TimeSlice(at=at, seconds=slices.width)
    slot = sums.slot(at, slices.width)
    return replace(slot, run=Latency(count=slot.run.count), wait=Latency(count=slot.wait.count))


def _kinds(connection: SqlConnection) -> Mapping[str, Kinds]:
    kinds: defaultdict[str, dict[str, dict[State, int]]] = defaultdict(dict)
    for queue, kind, state, n in connection.execute("SELECT queue, kind, state, n FROM jobdeck_counts WHERE n > 0"):
        kinds[queue].setdefault(kind, {})[state_of(state)] = n
    return kinds


def _samples(connection: SqlConnection, begin: float) -> Mapping[float, Mapping[str, int]]:
    """Return time → queue → ready jobs of the samples since `begin`. A queue that is missing in a sample had none."""
    samples: dict[float, dict[str, int]] = {}
    query = "SELECT slot, queue, pending FROM jobdeck_depths WHERE slot >= ? ORDER BY slot"
    for slot, queue, pending in rows_of(connection, query, (begin,)):
        samples.setdefault(float(slot), {})[queue] = pending
    return samples
