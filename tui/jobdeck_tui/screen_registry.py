"""The screens that digit keys open: digits, names and modules. A screen's module is imported when it is first opened."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from textual.screen import Screen

from jobdeck import record


@record
class ScreenSpec:
    """A screen other than the main one."""

    name: str
    digit: str
    description: str
    """Its description in the command palette and the help."""
    target: str
    """Its module in `screens` and its class: `module:Class`."""
    parts: tuple[tuple[str, str, str], ...] = ()
    """The parts of it that have their own digit: digit, name, description."""

    def build(self) -> Screen[Any]:
        """Import the screen's module and create the screen."""
        module, _, name = self.target.partition(":")
        made: Screen[Any] = getattr(import_module(f".screens.{module}", __package__), name)()
        return made


JOBS = "jobs"
"""The name of the main screen; its digit is 5."""

SCREENS = (
    ScreenSpec("queues", "3", "Every queue: depth, wait times, limits and drain forecast", "queues:QueuesScreen"),
    ScreenSpec("workers", "4", "Every worker process: running jobs, leases and stuck jobs", "workers:WorkersScreen"),
    ScreenSpec("timeline", "6", "Workers over time: a bar for each run, with retries and leases", "timeline:TimelineScreen"),
    ScreenSpec("events", "9", "A live feed of job events and user actions", "events:EventsScreen"),
    ScreenSpec(
        "metrics",
        "1",
        "Throughput, failures, wait and run times over hours and days, by queue and kind",
        "metrics:MetricsScreen",
        (("2", "latency", "Percentiles of run and wait times over time"),),
    ),
    ScreenSpec("errors", "7", "Failures grouped by cause; retry a whole group", "errors:ErrorsScreen"),
    ScreenSpec("schedules", "8", "Periodic jobs: next runs and latest results", "schedules:SchedulesScreen"),
)

BY_NAME = {spec.name: spec for spec in SCREENS}

#: The entries of the screen tabs, sorted by digit: with all digits of a screen, so that none seems to be missing.
BAR = tuple(
    sorted([("·".join([spec.digit, *(digit for digit, _, _ in spec.parts)]), spec.name) for spec in SCREENS] + [("5", JOBS)])
)
