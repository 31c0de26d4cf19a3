"""The course of one tour: which step it is at, what runs, how long it has taken. Use it from one thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from enum import StrEnum

from ..demo.demo import Demo
from .acts import ACTS, ActRun
from .picture import ActResult
from .position_file import Position, remove_position, write_position
from .script import CHAPTERS, TourStep, planned_seconds, steps_of


class Phase(StrEnum):
    """The stage of a step."""

    ASK = "ask"
    """The audience predicts."""
    RUN = "run"
    """Its act runs."""
    SAY = "say"
    """The talking point."""
    END = "end"
    """After the last step: the summary."""


class TourSession:
    """A presenter's way through the steps."""

    def __init__(
        self,
        plan: str,
        demo: Demo,
        on_change: Callable[[], None],
        *,
        server: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        start_act: Callable[[str, Demo, Callable[[], None]], ActRun] | None = None,
    ) -> None:
        """Start at the first step.

        Args:
            plan: a name of `script.PLANS`.
            demo: the running demo.
            on_change: called on the act's thread when its picture has changed.
            server: the address of a PostgreSQL database (see `server_of`), for the step on it.
            monotonic: the clock.
            start_act: starts an act, by its name.
        """
        self.plan = plan
        self.steps: Sequence[TourStep] = steps_of(plan, has_server=server is not None)
        self.at = 0
        self.phase = Phase.ASK
        self.run: ActRun | None = None
        """The act that runs, or ran last in this step."""
        self.prediction: int | None = None
        self.results: dict[str, ActResult] = {}
        """Step → what came of it."""
        self._has_server = server is not None
        self._demo = demo
        self._on_change = on_change
        self._monotonic = monotonic
        self._start_act = start_act or (lambda name, demo, on_change: ActRun(ACTS[name], demo, on_change, server=server))
        self._started = monotonic()
        self._write()

    @property
    def step(self) -> TourStep:
        """Return the current step."""
        return self.steps[self.at]

    @property
    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return self._monotonic() - self._started

    @property
    def planned(self) -> int:
        """Return the planned seconds of the whole tour."""
        return planned_seconds(self.steps)

    @property
    def behind(self) -> float:
        """Return the seconds by which the presenter is behind the plan at the start of this step; negative if ahead."""
        return self.elapsed - planned_seconds(self.steps[: self.at + 1])

    @property
    def chapters(self) -> Sequence[str]:
        """Return the chapters of this tour, in order."""
        return [each for each in CHAPTERS if any(step.chapter == each for step in self.steps)]

    # -- keys -----------------------------------------------------------------------------------------

    def next(self) -> bool:
        """Go on: run, or the next step; return `False` if what runs must be waited for, or the tour is over."""
        if self.phase is Phase.ASK:
            self._run_act()
            return True
        if self.phase is Phase.RUN and self.run is not None and self.run.is_running:
            return False
        if self.phase is Phase.END:
            return False
        if self.at + 1 < len(self.steps):
            self._go(self.at + 1)
        else:
            self._stop()
            self.phase = Phase.END
            self._write()
        return True

    def back(self) -> None:
        """Go back: from what runs or is said to the question, from the question to the step before."""
        if self.phase is Phase.END:
            self.phase = Phase.SAY
            self._write()
        elif self.phase is Phase.ASK:
            self._go(max(0, self.at - 1))
        else:
            self._go(self.at)

    def skip(self) -> None:
        """Go to the next step at once, whatever runs."""
        if self.phase is Phase.END:
            return
        self.phase = Phase.SAY
        self._stop()
        self.next()

    def go_to_chapter(self, number: int) -> None:
        """Go to the first step of a chapter, counted from 1; do nothing if this tour has fewer."""
        chapters = self.chapters
        if 1 <= number <= len(chapters):
            self._go(next(n for n, step in enumerate(self.steps) if step.chapter == chapters[number - 1]))

    def predict(self, choice: int) -> None:
        """Note what the audience predicts, by the index of the choice."""
        if self.phase is Phase.ASK and choice < len(self.step.choices):
            self.prediction = choice

    def on_act_changed(self) -> None:
        """Look whether the act has ended; then comes the talking point."""
        if self.phase is Phase.RUN and self.run is not None and not self.run.is_running:
            if self.run.result is not None:
                self.results[self.step.name] = self.run.result
            self.phase = Phase.SAY
            self._write()

    def close(self) -> None:
        """End what runs. Returns when nothing of it is left."""
        remove_position(self._demo.folder)
        run, self.run = self.run, None
        if run is not None:
            run.close()

    # -------------------------------------------------------------------------------------------------

    def _run_act(self) -> None:
        self.phase = Phase.RUN
        self.run = self._start_act(self.step.act, self._demo, self._on_change)
        self._write()

    def _go(self, at: int) -> None:
        self._stop()
        self.at, self.phase, self.prediction = at, Phase.ASK, None
        self._write()

    def _stop(self) -> None:
        """End what runs, without waiting for it here."""
        run, self.run = self.run, None
        if run is not None and run.is_running:
            threading.Thread(target=run.close, name="jobdeck-tour-closing").start()

    def _write(self) -> None:
        over = self.phase is Phase.END
        step = "" if over else self.step.name
        position = Position(self.plan, step, self.phase.value, self._started, self._has_server)
        write_position(self._demo.folder, position)
