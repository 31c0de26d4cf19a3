"""A queue whose clock stands still: the same jobs, ages and charts in every run, created through the engine's own API."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal

from tests.core.helpers import FakeClock
from textual.pilot import Pilot

from jobdeck import Job, Queue, Registry, Settings, WorkerInfo
from jobdeck.kinds.registry import job
from jobdeck.model.attempt_result import Completed, Failed
from jobdeck.store.claim_capacity import ClaimRequest
from jobdeck_tui.app import Cockpit
from jobdeck_tui.feed.feed import Feed

WHERE = "~/app/jobs.db"
WORKERS = ("web-1:4021:9f2c1a", "web-2:4107:03be77")
TRACEBACK = """Traceback (most recent call last):
  File "/srv/app/mail.py", line 41, in send_receipt
    server.send(to, render(order_id))
  File "/srv/app/smtp.py", line 88, in send
    raise SMTPServerDisconnected("Connection unexpectedly closed")
app.smtp.SMTPServerDisconnected: Connection unexpectedly closed
"""


def registry() -> Registry:
    """Return kinds with every type of argument."""
    kinds = Registry()

    @job(name="mail.send_receipt", queue="mail", priority=5, max_attempts=5, registry=kinds)
    def send_receipt(order_id: int, to: str, language: Literal["en", "de", "es"] = "en", attach_pdf: bool = False) -> None:
        """Mail the receipt of an order."""

    @job(name="img.resize", queue="img", max_attempts=2, registry=kinds)
    def resize(path: Annotated[str, "inside the bucket"], width: int = 640, formats: list[str] | None = None) -> None:
        """Make the smaller versions of a picture."""

    @job(name="webhook.post", queue="webhook", priority=3, max_attempts=5, registry=kinds)
    def post(url: str, event: str) -> None:
        """Tell a customer's server what happened."""

    @job(name="report.daily", queue="default", priority=-5, max_attempts=3, registry=kinds)
    def daily(day: str) -> None:
        """Add up a day."""

    return kinds


class FrozenQueue:
    """The queue, its clock, and helpers for tests."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.random = Random(11)
        settings = Settings(database=str(folder / "jobs.db"), lease=60.0, synchronous="OFF")
        self.queue = Queue(settings=settings, registry=registry(), clock=self.clock, random=Random(5))
        self.store = self.queue.store

    def close(self) -> None:
        self.queue.close()

    def beat(self, draining: bool = False) -> None:
        """Send the heartbeats of two workers with four threads each."""
        for name in WORKERS:
            host, pid, _ = name.split(":")
            info = WorkerInfo(
                id=name, host=host, pid=int(pid), threads=4, queues=(), started_at=self.clock.now() - 3600,
                heartbeat_at=0.0, draining=draining, running=0, alive=True,
            )  # fmt: skip
            self.store.workers.report(info)

    def claim(self, limit: int, worker: int = 0) -> list[Job]:
        return self.store.claimer.claim(
            ClaimRequest(WORKERS[worker], limit, kinds=self.queue.registry.kinds, queues=(), lease=60.0)
        )

    def draw(self) -> tuple[str, dict[str, Any]]:
        """Return a random kind with realistic arguments."""
        n = self.random.randrange(10_000, 99_999)
        match self.random.randrange(10):
            case 0 | 1 | 2 | 3:
                to = f"customer.{n % 997}@example.org"
                return "mail.send_receipt", {"order_id": n, "to": to, "language": "en", "attach_pdf": False}
            case 4 | 5 | 6:
                return "webhook.post", {"url": f"https://hooks.example.com/in/{n % 31}", "event": "order.paid"}
            case 7 | 8:
                return "img.resize", {"path": f"uploads/{n}.jpg", "width": 1280, "formats": None}
            case _:
                return "report.daily", {"day": f"2025-06-{n % 28 + 1:02d}"}

    def history(self, seconds: int = 600, step: int = 10) -> None:
        """Create ten minutes of jobs in waves, some of them failing, through enqueue, claim and complete."""
        for second in range(0, seconds, step):
            count = round(9 + 6 * math.sin(second / 70) + self.random.random() * 4)
            self.queue.enqueue_many([self.queue.new_job(*self.draw()) for _ in range(count)])
            self.clock.advance(0.03 + self.random.random() * 0.2)
            done: list[Completed] = []
            failed: list[Failed] = []
            for claimed in self.claim(count + 2):
                begun = self.clock.now() + self.random.random() * 0.02
                took = 0.04 * math.exp(self.random.gauss(0, 0.9)) * (3 if claimed.kind == "img.resize" else 1)
                if self.random.random() < 0.03:
                    final = claimed.attempt >= 2
                    retry_at = None if final else begun + took + 15
                    error = ("SMTPServerDisconnected", "Connection unexpectedly closed", TRACEBACK)
                    failed.append(Failed(claimed, begun, begun + took, retry_at, *error))
                else:
                    done.append(Completed(claimed, begun, begun + took, json.dumps({"ok": True})))
            self.store.completer.complete(done)
            self.store.completer.fail(failed)
            self.clock.advance(step - (self.clock.now() % step or step) if self.clock.now() % step else step)
            self.store.transitions.stage()

    def busy(self) -> None:
        """Create a history, five running jobs, waiting ones, jobs in every state, and a paused queue."""
        self.history()
        queue = self.queue
        doomed = queue.enqueue(
            "mail.send_receipt",
            {"order_id": 70411, "to": "ann@example.org", "language": "en", "attach_pdf": False},
            max_attempts=2,
        )
        queue.reprioritize(doomed.id, 1000)
        for attempt in (1, 2):
            (claimed,) = self.claim(1, worker=1)
            self.clock.advance(1.5)
            error = ("SMTPServerDisconnected", "Connection unexpectedly closed", TRACEBACK)
            now = self.clock.now()
            lines = [
                (claimed.id, attempt, now - 1.2, "info", "connecting to smtp-3.example.org"),
                (claimed.id, attempt, now - 0.1, "warning", "the server hung up after MAIL FROM"),
            ]
            self.store.logs.append(lines, 1 << 20)
            self.store.completer.fail([Failed(claimed, now - 1.4, now, now if attempt == 1 else None, *error)])
            self.store.transitions.stage()
        for _ in range(5):
            queue.enqueue_many([queue.new_job(*self.draw())])
        running = [*self.claim(4), *self.claim(1, worker=1)]
        self.store.transitions.report_progress(running[0].id, running[0].lease or 0, 0.4)
        self.clock.advance(2.3)
        shell = queue.new_job("shell", {"command": ["gzip", "-9", "access log.1"], "shell": False, "cwd": None, "env": None})
        queue.enqueue_many([queue.new_job(*self.draw()) for _ in range(31)] + [shell])
        later = queue.enqueue_many([queue.new_job(*self.draw(), delay=40.0 * n) for n in (1, 2, 3)])
        queue.cancel(later[2].id)
        queue.pause("webhook")
        self.clock.advance(4.0)
        self.beat()

    @property
    def failed(self) -> int:
        """The id of the job that failed after two attempts."""
        return self.queue.list("state:failed args.order_id:70411")[0].id

    def app(self, *, readonly: bool = False, threads: int = 0) -> Cockpit:
        """Return the cockpit for this queue."""
        return Cockpit(
            lambda post: Feed(self.queue, post, threads=threads, readonly=readonly), where=WHERE, grace=20.0, readonly=readonly
        )


def deck_of(pilot: Pilot[Any]) -> Any:
    """Return the latest snapshot that the main screen shows."""
    app = pilot.app
    assert isinstance(app, Cockpit)
    return app.jobs_screen.snapshot


async def wait_for(pilot: Pilot[Any], condition: Callable[[], Any], timeout: float = 8.0) -> None:
    """Wait until the condition holds."""
    for _ in range(int(timeout / 0.02)):
        if condition():
            await pilot.pause()
            return
        await pilot.pause(0.02)
    raise AssertionError("the screen did not show it in time")


Step = Callable[[Pilot[Any]], Awaitable[None]]


def press_keys(*keys: str) -> Step:
    """Wait for the first snapshot, then press the keys and wait for the effect of each."""

    async def run(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: deck_of(pilot) is not None)
        await pilot.pause()
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.05)
        await wait_for_redraw(pilot)

    return run


async def wait_for_redraw(pilot: Pilot[Any]) -> None:
    """Wait until a snapshot requested after the last key has been drawn."""
    app = pilot.app
    assert isinstance(app, Cockpit)
    for _ in range(2):
        before = deck_of(pilot)
        app.feed.refresh()
        await wait_for(pilot, lambda before=before: deck_of(pilot) is not before and not deck_of(pilot).page.reading)
    await pilot.pause(0.05)
