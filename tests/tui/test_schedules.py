"""The screen of schedules: what it shows, and what each key does."""

from __future__ import annotations

from tests.tui.still import Still

from jobdeck.jobs import Completion, Failure
from jobdeck.schedule import run_due


def timetable(still: Still) -> None:
    """Six schedules with three days behind them: some jobs failed, one runs, one schedule is paused, one cannot go on."""
    add = still.queue.schedules.add
    add("nightly-backup", "0 3 * * *", "shell", {"command": ["./backup.sh | gzip > shop.sql.gz"], "shell": True}, timeout=600)
    add("report", "30 7 * * MON-FRI", "report.daily", {"day": "today"}, timezone="Europe/Berlin", priority=5, tags=["finance"])
    add("thumbnails", "every 4h", "img.resize", {"path": "uploads/*.jpg", "width": 320})
    add("webhook.ping", "*/30 8-17 * * MON-FRI", "webhook.post", {"url": "https://hooks.example.com/in/7", "event": "ping"})
    add("month-end", "0 0 L * *", "report.daily", {"day": "last"}, timezone="America/New_York")
    add("sweep", "@hourly", "img.resize", {"path": "tmp"})
    for hour in range(72):
        still.clock.advance(3600 - still.clock.now() % 1800 + 5)
        run_due(still.store, still.clock)
        for claimed in still.claim(100):
            now = still.clock.now()
            took = 0.2 + still.random.random()
            if still.random.random() < 0.12:
                error = ("TimeoutError", "the server did not answer within 5 s", "")
                still.store.fail_jobs([Failure(claimed, now, now + took, None, *error)])
            elif hour < 71:
                still.store.complete_jobs([Completion(claimed, now, now + took, None)])
    still.queue.schedules.pause("sweep")
    still.store.schedules.note_error(
        still.queue.schedules.get("month-end"), "The time zone is not known here", still.clock.now() + 60
    )
    still.clock.advance(1800)
    still.beat()
