"""An hour of jobs for the metrics and errors screens: waves of load, a backlog, a slow period, different failures."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

from tests.tui.frozen_queue import TRACEBACK, FrozenQueue, press_keys
from textual.pilot import Pilot

from jobdeck import Job
from jobdeck.model.attempt_result import Completed, Failed
from jobdeck.model.jobs import Outcome
from jobdeck_tui.app import Cockpit

GATEWAY = """Traceback (most recent call last):
  File "/srv/app/webhook.py", line 19, in post
    answer = client.send(url, event)
  File "/srv/app/http.py", line 231, in send
    return self._checked(self._sent(request))
  File "/srv/app/http.py", line 118, in _checked
    raise BadGateway(f"{status} from {host}")
app.http.BadGateway: 502 from hooks.example.com
"""
TRUNCATED = """Traceback (most recent call last):
  File "/srv/app/img.py", line 77, in resize
    picture = Image.open(path)
  File "/usr/lib/python3/dist-packages/PIL/Image.py", line 3498, in open
    raise UnidentifiedImageError(msg)
PIL.UnidentifiedImageError: cannot identify image file 'uploads/41.jpg'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/app/img.py", line 80, in resize
    raise Truncated(path) from error
app.img.Truncated: uploads/41.jpg ends after 4,096 bytes
"""

#: Kind → its error: type, message, traceback, outcome.
ERRORS = {
    "mail.send_receipt": ("SMTPServerDisconnected", "Connection unexpectedly closed", TRACEBACK, Outcome.FAILED),
    "webhook.post": ("BadGateway", "502 from hooks.example.com", GATEWAY, Outcome.FAILED),
    "img.resize": ("Truncated", "uploads/41.jpg ends after 4,096 bytes", TRUNCATED, Outcome.FAILED),
    "report.daily": ("TimedOut", "took longer than 30 s", None, Outcome.TIMED_OUT),
}
MEAN = {"mail.send_receipt": 0.08, "webhook.post": 0.4, "img.resize": 1.6, "report.daily": 6.0}


def workday(still: FrozenQueue, seconds: int = 3600, step: int = 20) -> None:
    """Run jobs for this many seconds through the engine's own API, ending now."""
    queue, random, clock = still.queue, still.random, still.clock
    clock.advance(step - clock.now() % step)
    for second in range(0, seconds, step):
        wave = 9 + 7 * math.sin(second / 420) + 3 * math.sin(second / 90) + random.random() * 3
        queue.enqueue_many([queue.new_job(*still.draw()) for _ in range(max(0, round(wave)))])
        slow = 1400 < second % 3600 < 2000
        clock.advance(random.random() * 0.4)
        ends(still, still.claim(4 if slow else 21), slow=slow)
        clock.advance(step - clock.now() % step)
        still.store.transitions.stage()
        still.store.metrics.sample_depths()
    clock.advance(3)
    still.beat()


def ends(still: FrozenQueue, jobs: list[Job], *, slow: bool) -> None:
    """Finish each of the jobs; most succeed."""
    random, now = still.random, still.clock.now()
    done: list[Completed] = []
    failed: list[Failed] = []
    for job in jobs:
        took = MEAN[job.kind] * math.exp(random.gauss(0, 0.7)) * (3 if slow else 1)
        if random.random() < (0.16 if slow else 0.03):
            error_type, message, traceback, outcome = ERRORS[job.kind]
            hopeless = job.attempt >= min(2, job.max_attempts) or (slow and random.random() < 0.5)
            retry_at = None if hopeless else now + 45
            failed.append(Failed(job, now, now + took, retry_at, error_type, message, traceback, outcome))
        else:
            done.append(Completed(job, now, now + took))
    still.store.completer.complete(done)
    still.store.completer.fail(failed)


Scene = Callable[[Pilot[Any]], Awaitable[None]]


def watch(app: Cockpit, scene: Scene, size: tuple[int, int] = (120, 40)) -> None:
    """Run the cockpit without a terminal, wait for its first snapshot, and play the scene."""

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await press_keys()(pilot)
            await scene(pilot)
        app.feed.end()

    asyncio.run(run())


def toasts(pilot: Pilot[Any]) -> str:
    """Return the texts of the current toasts; Textual has no public list."""
    return "\n".join(note.message for note in pilot.app._notifications)


def screen_text(pilot: Pilot[Any]) -> str:
    """Return the lines of the screen."""
    strips = pilot.app.screen._compositor.render_strips()  # the only place that holds the text
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)
