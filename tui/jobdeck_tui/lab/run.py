"""An experiment that runs on a thread of its own, for a screen that watches it and may leave at any time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jobdeck import JobdeckError

from .catalog import LabReport, module_of, run_experiment
from .inside import Section
from .live import LiveView
from .pace import FASTEST, SLOWEST
from .stage import ExperimentStopped, ExperimentStuck, Stage, TimelineEvent, describe_problem

_CLOSING = 3.0
"""Seconds that closing waits for the thread."""

STOPPED = "stopped"
"""The problem of a run that the viewer has stopped."""


@dataclass
class RunState:
    """The findings of a run so far. Read on any thread."""

    name: str
    seed: int
    events: list[TimelineEvent] = field(default_factory=list)
    figures: dict[str, Mapping[str, float]] = field(default_factory=dict)
    """Lane → the numbers that were last counted."""
    view: LiveView | None = None
    """The newest picture, with the verdicts so far."""
    speed: float = 1.0
    is_paused: bool = False
    report: LabReport | None = None
    """The report, at the end."""
    problem: str = ""
    """The reason why it came to no end."""

    @property
    def is_running(self) -> bool:
        """Return whether it has not ended."""
        return self.report is None and not self.problem


class ExperimentRun:
    """Runs an experiment on a thread of its own."""

    def __init__(self, name: str, seed: int, on_change: Callable[[], None]) -> None:
        """Start the experiment.

        Args:
            name: a name of `EXPERIMENTS`.
            seed: its seed.
            on_change: called on the thread of the experiment after each change of `state`.
        """
        self.state = RunState(name, seed)
        self._on_change = on_change
        self._stage: Stage | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="jobdeck-lab", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the experiment, its processes and its thread."""
        self._closed = True
        if self._stage is not None:
            self._stage.stopped.set()
        self._thread.join(_CLOSING)

    # -- the viewer in control ------------------------------------------------------------------------

    def set_paused(self, paused: bool) -> None:
        """Pause the experiment, or let it go on."""
        self.state.is_paused = paused
        if self._stage is not None and self.state.is_running:
            self._stage.pace.set_paused(paused)

    def step(self) -> None:
        """Let one thing happen, and pause again."""
        self.state.is_paused = True
        if self._stage is not None and self.state.is_running:
            self._stage.pace.step()

    def set_speed(self, speed: float) -> None:
        """Play it at a speed, from a quarter of the usual one to four times."""
        self.state.speed = min(FASTEST, max(SLOWEST, speed))
        if self._stage is not None and self.state.is_running:
            self._stage.pace.set_speed(speed)

    def look_inside(self) -> tuple[Section, ...]:
        """Return the SQL of the experiment, with its places and plans. Takes some tenths of a second."""
        if self.state.report is not None:
            return self.state.report.inside
        stage = self._stage
        if stage is None:
            return ()
        try:
            return stage.look_inside(self.state.name)
        except (OSError, JobdeckError):  # it has just ended, and its files are gone
            return self.state.report.inside if self.state.report is not None else ()

    def ask(self, wish: str) -> None:
        """Ask the experiment for something that it offers: `kill`."""
        if self._stage is not None:
            self._stage.ask(wish)

    def _run(self) -> None:
        state = self.state
        try:
            state.report = run_experiment(
                state.name,
                seed=state.seed,
                on_stage=self._on_stage,
                on_event=self._on_event,
                on_figures=self._count,
                on_view=self._on_view,
                **getattr(module_of(state.name), "VIEWER", {}),
            )
        except ExperimentStopped:
            state.problem = STOPPED
        except (ExperimentStuck, JobdeckError) as error:
            state.problem = str(error)
        except Exception as error:  # shown on the screen, like every other problem of an experiment
            state.problem = describe_problem(error)
        if not self._closed:
            self._on_change()

    def _on_stage(self, stage: Stage) -> None:
        self._stage = stage
        stage.pace.set_speed(self.state.speed)
        stage.pace.set_paused(self.state.is_paused)
        if self._closed:
            stage.stopped.set()

    def _on_view(self, view: LiveView) -> None:
        self.state.view = view
        if not self._closed:
            self._on_change()

    def _on_event(self, event: TimelineEvent) -> None:
        self.state.events.append(event)
        if not self._closed:
            self._on_change()

    def _count(self, lane: str, figures: Mapping[str, float]) -> None:
        if self.state.figures.get(lane) != figures:
            self.state.figures[lane] = figures
            if not self._closed:
                self._on_change()
