"""The screens that a digit opens: their digits, their names, and where they live. None is loaded before it is opened."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from textual.screen import Screen


@dataclass(frozen=True, slots=True)
class Room:
    """A screen beside the jobs."""

    name: str
    digit: str
    told: str
    """What it shows, in a sentence for the palette and the help."""
    home: str
    """Its module in `screens` and its class."""
    parts: tuple[tuple[str, str, str], ...] = ()
    """Parts of it that have digits of their own: digit, name, and what it shows."""

    def build(self) -> Screen[Any]:
        """Import the screen's module and create the screen."""
        module, _, name = self.home.partition(":")
        made: Screen[Any] = getattr(import_module(f".screens.{module}", __package__), name)()
        return made


JOBS = "jobs"
"""The main screen, always there; its digit is 5."""

ROOMS = (
    Room("queues", "3", "Every queue, its depth, waits and limits, and when it will be empty", "queues:QueuesScreen"),
    Room("workers", "4", "Every worker process, what its threads run, leases, what is stuck", "workers:WorkersScreen"),
    Room("timeline", "6", "Workers over time, a bar for each run, retries, leases", "timeline:TimelineScreen"),
    Room("events", "9", "A live feed of what jobs do and what people do", "events:EventsScreen"),
    Room(
        "metrics",
        "1",
        "Throughput, failures, waits and run times over hours and days, by queue and by kind",
        "metrics:MetricsScreen",
        (("2", "latency", "Percentiles of run times and waits over time"),),
    ),
    Room("errors", "7", "What fails, alike failures together, retried as a group", "errors:ErrorsScreen"),
    Room("schedules", "8", "Periodic jobs, when each comes next, and what became of the last", "schedules:SchedulesScreen"),
)

BY_NAME = {room.name: room for room in ROOMS}

#: What the bar of screens shows, by digit.
BAR = tuple(sorted([(room.digit, room.name) for room in ROOMS] + [("5", JOBS)]))
