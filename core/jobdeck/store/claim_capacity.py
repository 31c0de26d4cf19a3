"""How many jobs a worker may claim, and of which lanes: pauses, limits, rates, and what is not to be claimed ahead.

A lane is a queue and a kind. A store reads what holds in the transaction of the claim, and what is chosen here is claimed
in that same transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, TypeVar

from ..model.states import State
from .records import PLACE

LIMIT_POLL = 0.1
"""Seconds between two looks while a limit withholds jobs: where another process's job ends, nothing rings."""

_KIND, _QUEUE, _CRASHES = PLACE["kind"], PLACE["queue"], PLACE["crashes"]
_ATTEMPT, _MAX_ATTEMPTS = PLACE["attempt"], PLACE["max_attempts"]

Picked = TypeVar("Picked", bound=Sequence[Any])
"""A row of `JOB_COLUMNS`, its attempt counted already."""


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


def choose(rows: Sequence[Picked], idle: int, rooms: Rooms, *, suspects: bool) -> list[Picked]:
    """Those of the ready rows, in order, that may be claimed for so many idle threads, and ahead of them.

    Jobs beyond the idle threads have not begun when the process dies, and lose an attempt all the same. So no job is
    claimed ahead for which that would be the last one, or which has been through it before; nor one of a queue with a
    rate, which counts starts. What comes after it waits too, so that the order is kept. A suspect, which a crash has
    interrupted, runs beside no other suspect of the same process: one of them kills, and the others must not be counted
    out for its sake.
    """
    chosen: list[Picked] = []
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

    def __init__(
        self,
        wanted: Wanted,
        lanes: Sequence[tuple[str, str, str, int]],
        queues: Iterable[tuple[str, float | None, int | None, int | None, float | None]],
        started_within: Callable[[str, float], tuple[int, float]],
    ) -> None:
        """Read what holds.

        Args:
            wanted: what the worker asks for.
            lanes: queue, kind, state and how many, of the pending and running jobs.
            queues: name, since when it is paused, jobs at once, and rate and period of the queues of which one is set.
            started_within: queue and period → how many have started within it up to now, and how many seconds pass until
                the first of them is no longer within it (the whole period where none has).
        """
        self.again = inf
        """Seconds after which a limit may leave room that it does not leave now."""
        self.started: Counter[str] = Counter()
        """What was taken of the queues that have a rate, and so is to be noted."""
        self.periods: dict[str, float] = {}
        """The periods of these rates."""
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
        self._free_in: dict[str, float] = {}
        for queue, paused_at, most, rate, period in queues:
            if paused_at is not None:
                paused.add(queue)
                continue
            if most is not None:
                self._queues[queue] = max(0, most - running[queue])
            if rate is not None and period is not None:
                started, free_in = started_within(queue, period)
                self._rates[queue] = max(0, rate - started)
                self.periods[queue] = period
                self._free_in[queue] = max(0.001, free_in)
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
        self._count(queue, kind, 1)
        return True

    def give_back(self, queue: str, kind: str) -> None:
        """One that was taken was not started after all."""
        self._count(queue, kind, -1)

    def _count(self, queue: str, kind: str, n: int) -> None:
        for rooms, name in ((self._queues, queue), (self._kinds, kind), (self._rates, queue)):
            if name in rooms:
                rooms[name] -= n
        if queue in self._rates:
            self.started[queue] += n
