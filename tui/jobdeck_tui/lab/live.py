"""Looks at an experiment many times a second while it is played: its picture, and its verdicts so far."""

from __future__ import annotations

import contextlib
import inspect
import threading
import time
from collections.abc import Callable, Sequence
from types import ModuleType, TracebackType
from typing import Any, Self

import apsw

from jobdeck import record

from .audit import Verdict
from .picture import Picture
from .stage import Stage
from .watch import LaneSpec, LaneWatch, Watch

FRAME = 0.04
"""Seconds between two pictures."""
_JUDGE = 0.25
"""Seconds between two counts of the verdicts."""


@record
class LiveView:
    """An experiment at one moment."""

    at: float
    """Seconds since it started."""
    picture: Picture
    verdicts: tuple[Verdict, ...]
    """Counted so far; lanes that have not been played have none."""
    speed: float = 1.0
    is_paused: bool = False


def lanes_of(module: ModuleType) -> Sequence[LaneSpec]:
    """Return the lanes of an experiment; none if it has no picture."""
    lanes: Sequence[LaneSpec] = getattr(module, "LANES", ())
    return lanes


def picture_before(module: ModuleType) -> Picture:
    """Return the picture of an experiment before it is played."""
    defaults = {name: each.default for name, each in inspect.signature(module.run).parameters.items()}
    plan = {name: value for name, value in defaults.items() if isinstance(value, int | float)}
    return Picture(tuple(module.draw(lane) for lane in Watch(lanes_of(module), plan=plan).look()))


class LiveViewer:
    """Shows an experiment while it is played. Ends, after a last look, with its context."""

    def __init__(self, module: ModuleType, stage: Stage, show: Callable[[LiveView], None]) -> None:
        """Create a viewer.

        Args:
            module: the experiment.
            stage: the stage that it is played on.
            show: called with each view, on the viewer's thread.
        """
        self._module: Any = module
        self._stage = stage
        self._show = show
        self._watch = Watch(lanes_of(module), stage)
        self._drawn = [*picture_before(module).lanes]
        self._verdicts: tuple[Verdict, ...] = ()
        self._judged = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobdeck-lab-viewer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            due = time.monotonic()
            while not self._ended.is_set():
                self._look()
                due = max(due + FRAME, time.monotonic() + FRAME / 4)
                self._ended.wait(due - time.monotonic())
            self._judged = 0.0
            self._look()
        finally:
            self._watch.close()

    def _look(self) -> None:
        lanes = self._watch.look()
        if time.monotonic() - self._judged > _JUDGE:
            self._verdicts = tuple(self._judge(lanes))
            self._judged = time.monotonic()
        pace = self._stage.pace
        for at, lane in enumerate(lanes):
            with contextlib.suppress(apsw.Error):  # a lane whose tables are being created looks as before
                self._drawn[at] = self._module.draw(lane)
        self._show(LiveView(self._stage.elapsed, Picture(tuple(self._drawn)), self._verdicts, pace.speed, pace.is_paused))

    def _judge(self, lanes: Sequence[LaneWatch]) -> list[Verdict]:
        found: list[Verdict] = []
        for lane in lanes:
            if lane.lines and (audit := lane.audit()) is not None:
                try:
                    found += self._module.judge(audit)
                except apsw.Error:  # a worker holds the lock, or creates the tables; the next look counts again
                    found += [each for each in self._verdicts if each.lane == lane.spec.name]
        return found
