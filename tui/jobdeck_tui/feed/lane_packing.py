"""Swim lanes: pack the runs of each worker into the fewest lanes, and keep each run in its lane over time. Pure.

An attempt does not record its thread, so a lane is not a thread but a slot of the worker.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import inf

from jobdeck import Run, WorkerInfo, record

Key = tuple[int, int]
"""A run's job and lease."""
Stretch = tuple[float, float, Run]
"""The start and end of a run; the end is infinite while it runs."""


@record
class Bar:
    """A run in its lane. `end` is infinite while it runs."""

    run: Run
    start: float
    end: float


@record
class WorkerLanes:
    """A worker and its lanes, each with its bars in chronological order."""

    worker: str
    info: WorkerInfo | None
    """`None`: it has ended, or never reported."""
    lanes: tuple[tuple[Bar, ...], ...]

    @property
    def busy(self) -> int:
        """The number of lanes with a run in progress."""
        return sum(bool(lane) and lane[-1].end == inf for lane in self.lanes)


def _most_at_once(stretches: Sequence[Stretch]) -> int:
    """Return the largest number of simultaneous runs, which is the number of lanes needed."""
    most = now = 0
    for _, step in sorted([(begin, 1) for begin, _, _ in stretches] + [(end, -1) for _, end, _ in stretches]):
        now += step
        most = max(most, now)
    return most


class _Lane:
    """The occupied stretches of one lane, in chronological order, without overlaps."""

    def __init__(self) -> None:
        self.begins: list[float] = []
        self.ends: list[float] = []

    def idle_before(self, begin: float, end: float) -> float | None:
        """Return how long the lane was idle before `begin`; `None` if it is occupied during the stretch."""
        at = bisect_right(self.begins, begin)
        if at and self.ends[at - 1] > begin:
            return None
        if at < len(self.begins) and self.begins[at] < end:
            return None
        return begin - self.ends[at - 1] if at else inf

    def take(self, begin: float, end: float) -> None:
        """Occupy a stretch."""
        at = bisect_right(self.begins, begin)
        self.begins.insert(at, begin)
        self.ends.insert(at, end)

    @property
    def last_end(self) -> float:
        """The end of the last stretch."""
        return self.ends[-1] if self.ends else -inf


def pack(runs: Iterable[Run], slots: int = 0, kept: Mapping[Key, int] | None = None) -> list[list[Bar]]:
    """Pack the runs of one worker into lanes.

    A run takes the lane that has been idle longest; a new lane is added only if none is free, so that there are no more
    lanes than simultaneous runs. A run that was in a lane before stays in it, unless that would need more lanes.

    Args:
        runs: the runs of one worker, in any order.
        slots: the least number of lanes. A job claimed beyond them runs after the one that occupies the lane now: its bar
            starts where the previous one ends, and is omitted while every slot is occupied.
        kept: the previous lane of each run, by key.
    """
    stretches = sorted(map(_stretch, runs), key=lambda each: (each[0], each[2].key))
    lanes = _pack(stretches, slots, kept or {})
    if len(lanes) > slots > 0:
        # The recorded start of a prefetched job is only a lower bound: it may seem to have occupied a slot.
        lanes = min(lanes, _pack(stretches, slots, kept or {}, ahead=True), key=len)
    if kept and len(lanes) > max(slots, _most_at_once(stretches)):
        lanes = min(lanes, _pack(stretches, slots, {}), key=len)
    return lanes


def _pack(stretches: Sequence[Stretch], slots: int, before: Mapping[Key, int], *, ahead: bool = False) -> list[list[Bar]]:
    """Pack the stretches; with `ahead`, runs in progress come last, after the finished ones in their slot."""
    lanes = [_Lane() for _ in range(slots)]
    bars: defaultdict[int, list[Bar]] = defaultdict(list)
    occupied = {before[run.key] for _, end, run in stretches if end == inf and run.key in before}

    def put(lane: int, run: Run, begin: float, end: float) -> None:
        while lane >= len(lanes):
            lanes.append(_Lane())
        lanes[lane].take(begin, end)
        bars[lane].append(Bar(run, begin, end))

    new: list[Stretch] = []
    waiting: list[Stretch] = []
    for begin, end, run in stretches:
        lane = before.get(run.key)
        if ahead and end == inf:
            waiting.append((begin, end, run))
        elif lane is not None and (lane >= len(lanes) or lanes[lane].idle_before(begin, end) is not None):
            put(lane, run, begin, end)
        else:
            new.append((begin, end, run))
    for begin, end, run in new:
        idle = [
            (at not in occupied, gap, -at) for at, lane in enumerate(lanes) if (gap := lane.idle_before(begin, end)) is not None
        ]
        put(-max(idle)[2] if idle else len(lanes), run, begin, end)
    for begin, _, run in sorted(waiting, key=lambda each: (each[2].key not in before, each[0], each[2].key)):
        at = before.get(run.key)
        if at is None or at >= len(lanes) or lanes[at].last_end == inf:
            at = min(range(len(lanes)), key=lambda lane: lanes[lane].last_end)
        if (last := lanes[at].last_end) < inf:
            put(at, run, max(begin, last), inf)
    return [sorted(bars[lane], key=lambda bar: bar.start) for lane in range(len(lanes))]


def _stretch(run: Run) -> Stretch:
    return run.started_at, inf if run.finished_at is None else max(run.started_at, run.finished_at), run


class Lanes:
    """Packs repeatedly, and remembers the lane of each run."""

    def __init__(self) -> None:
        self._kept: dict[Key, int] = {}

    def pack(self, runs: Sequence[Run], workers: Sequence[WorkerInfo]) -> tuple[WorkerLanes, ...]:
        """Return the lanes of every worker: the current workers in their order, then the ended ones by name."""
        by_worker: defaultdict[str, list[Run]] = defaultdict(list)
        for run in runs:
            by_worker[run.worker].append(run)
        infos = {info.id: info for info in workers}
        names = [*infos, *sorted(by_worker.keys() - infos.keys())]
        packed = []
        kept: dict[Key, int] = {}
        for name in names:
            info = infos.get(name)
            lanes = pack(by_worker[name], info.threads if info else 0, self._kept)
            kept |= {bar.run.key: at for at, lane in enumerate(lanes) for bar in lane}
            packed.append(WorkerLanes(name, info, tuple(map(tuple, lanes))))
        self._kept = kept
        return tuple(packed)
