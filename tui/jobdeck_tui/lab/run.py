"""An experiment that runs on a thread of its own, for a screen that watches it and may leave at any time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jobdeck import JobdeckError

from .catalog import LabReport, run_experiment
from .stage import ExperimentStopped, ExperimentStuck, Stage, TimelineEvent

_CLOSING = 3.0
"""Seconds that closing waits for the thread."""


@dataclass
class RunState:
    """The findings of a run so far. Read on any thread."""

    name: str
    seed: int
    events: list[TimelineEvent] = field(default_factory=list)
    figures: dict[str, Mapping[str, float]] = field(default_factory=dict)
    """Lane → the numbers that were last counted."""
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

    def _run(self) -> None:
        state = self.state
        try:
            state.report = run_experiment(
                state.name, seed=state.seed, on_stage=self._on_stage, on_event=self._on_event, on_figures=self._count
            )
        except ExperimentStopped:
            state.problem = "stopped"
        except (ExperimentStuck, JobdeckError) as error:
            state.problem = str(error)
        except Exception as error:  # shown on the screen, like every other problem of an experiment
            state.problem = f"{type(error).__name__}: {error}"
        if not self._closed:
            self._on_change()

    def _on_stage(self, stage: Stage) -> None:
        self._stage = stage
        if self._closed:
            stage.stopped.set()

    def _on_event(self, event: TimelineEvent) -> None:
        self.state.events.append(event)
        if not self._closed:
            self._on_change()

    def _count(self, lane: str, figures: Mapping[str, float]) -> None:
        if self.state.figures.get(lane) != figures:
            self.state.figures[lane] = figures
            if not self._closed:
                self._on_change()
