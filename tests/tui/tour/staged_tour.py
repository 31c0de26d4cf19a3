"""A tour whose acts end when a test says so, beside a demo that is only a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobdeck_tui.tour.picture import ActResult
from jobdeck_tui.tour.session import TourSession


class StagedAct:
    """What `ActRun` is to the session and the screen."""

    def __init__(self, name: str, on_change: Callable[[], None]) -> None:
        self.name = name
        self.lines: list[Any] = [[("naive", "accent")], [("  run      ", "quiet"), ("12 ", "strong"), ("████", "accent")]]
        self.result: ActResult | None = None
        self.problem = ""
        self.closed = 0
        self._on_change = on_change

    @property
    def is_running(self) -> bool:
        return self.result is None and not self.problem

    def end(self, result: ActResult) -> None:
        self.result = result
        self._on_change()

    def close(self) -> None:
        self.closed += 1
        self.problem = "Stopped."


class StagedTour:
    """Starts sessions, and keeps their acts."""

    def __init__(self, folder: Path, *, server: str | None = None) -> None:
        self.folder = folder
        self.server = server
        self.acts: list[StagedAct] = []
        self.now = 1000.0

    def start(self, plan: str = "5m", on_change: Callable[[], None] = lambda: None) -> TourSession:
        def start_act(name: str, _demo: object, changed: Callable[[], None]) -> Any:
            self.acts.append(StagedAct(name, changed))
            return self.acts[-1]

        return TourSession(
            plan,
            self,  # type: ignore[arg-type]
            on_change,
            server=self.server,
            monotonic=lambda: self.now,
            start_act=start_act,
        )
