"""The pump: takes claimed jobs many at a time, has the pool of children run them, and hands their endings back so too.

It is what makes a job of a millisecond cheap: such jobs are sent to the children ahead of their threads, up to about
`AHEAD` seconds of work, and one message, one lock and one wake-up serve many of them. What was sent ahead and has not
begun comes back with its attempt, see `Children`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from ..clock import Clock
from ..model.attempt_result import Ending, Release
from ..processes.child_process import Charge
from ..processes.supervisor import Children
from .active_job import Run

AHEAD = 0.05
"""Seconds of work for which a child's thread has jobs at hand."""
MOST_AHEAD = 64
"""Jobs, at most, that are at hand for each thread."""
_FIRST_GUESS = 1.0
"""Seconds that a job takes, before any has told."""
_SMOOTHING = 0.1


class Source(Protocol):
    """Where claimed jobs come from, and where their endings go."""

    def take(self, most: int) -> Sequence[Run] | None:
        """Wait for claimed jobs; at least one and up to `most` of them, or `None` when there will be no more."""
        ...

    def hand_in(self, ended: Sequence[tuple[Run, Ending]]) -> None:
        """These have ended. Never waits."""
        ...


class Pump:
    """Between a source of claimed jobs and the children. One thread takes; the children's own hands in."""

    def __init__(self, source: Source, children: Children, clock: Clock) -> None:
        self._clock = clock
        self._source = source
        self._children = children
        self._room = threading.Condition()
        self._out = 0
        self._took = _FIRST_GUESS
        self._ended: list[tuple[Run, Ending]] = []
        self._thread = threading.Thread(target=self._loop, name="jobdeck-pump", daemon=True)

    @property
    def slots(self) -> int:
        """How many jobs it may hold now: one for each thread of the pool, and what short jobs allow beyond."""
        threads = self._children.threads
        return threads + int(threads * min(MOST_AHEAD, AHEAD / max(self._took, 1e-6)))

    def start(self) -> None:
        """Begin; ends by itself when the source has no more."""
        self._children.settled = self._hand_in
        self._thread.start()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the source has no more jobs; `False` if that took too long."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def wake(self) -> None:
        """The pool has been resized."""
        with self._room:
            self._room.notify()

    def _loop(self) -> None:
        while (taken := self._source.take(self._wait_for_room())) is not None:
            now = self._clock.monotonic()
            runs = [run for run in taken if now < run.until]
            if len(runs) < len(taken):  # the process was held up; the others may be somebody else's by now
                late = [run for run in taken if now >= run.until]
                self._source.hand_in([(run, run.given_back(self._clock.now())) for run in late])
            for run in runs:
                run.started_at = self._clock.now()  # about; its ending tells
            with self._room:
                self._out += len(runs)
            self._children.begin([Charge(run.job, run.context, partial(self._done, run)) for run in runs])

    def _wait_for_room(self) -> int:
        with self._room:
            while (room := self._has_room()) <= 0:
                self._room.wait()
            return room

    def _has_room(self) -> int:
        """For how many jobs: with a thread free, at once; otherwise when it is worth a message."""
        slots, out = self.slots, self._out
        return slots - out if out < self._children.threads or (slots - out) * 4 >= slots else 0

    # -- on the children's thread -----------------------------------------------------------------

    def _done(self, run: Run, ending: Ending) -> None:
        run.started_at = ending.started_at
        self._ended.append((run, ending))

    def _hand_in(self) -> None:
        if not self._ended:
            return
        ended, self._ended = self._ended, []
        took = sum(ending.finished_at - ending.started_at for _, ending in ended) / len(ended)
        if any(isinstance(ending, Release) for _, ending in ended):
            took = _FIRST_GUESS  # sent ahead in vain: something takes longer than it did
        # Down slowly, up at once: a job that waits behind a long one is worse than a message more.
        weight = min(1.0, _SMOOTHING * len(ended))
        self._took = max(took, self._took + weight * (took - self._took))
        self._source.hand_in(ended)
        with self._room:
            self._out -= len(ended)
            if self._has_room():
                self._room.notify()
