"""The schedules of the demo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobdeck import Queue, ScheduleExists, record


@record
class DemoSchedule:
    """A schedule of the demo."""

    name: str
    cron: str
    every: int
    """Seconds between two ticks."""
    kind: str
    args: Mapping[str, Any]


SCHEDULES = (
    DemoSchedule("prices", "every 15s", 15, "price.fetch", {"symbol": "EURUSD"}),
    DemoSchedule("receipts:digest", "*/2 * * * *", 120, "mail.newsletter", {"campaign": "Digest", "to": "team@example.org"}),
    DemoSchedule("reindex", "* * * * *", 60, "search.index", {"document": "/handbook"}),
    DemoSchedule("report:hourly", "every 5m", 300, "report.daily", {"day": "2025-09-30", "sections": ["sales"]}),
)


def add_schedules(queue: Queue, actor: str) -> None:
    """Add the schedules to the queue."""
    for each in SCHEDULES:
        try:
            queue.schedules.add(each.name, each.cron, each.kind, each.args, actor=actor)
        except ScheduleExists:
            continue
