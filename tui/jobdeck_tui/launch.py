"""Opening the cockpit on a queue: what a person wishes of it, what surrounds it while it is open, how it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from jobdeck import SWITCH_INTERVAL, Queue, Settings

from .launch_options import Wish
from .preferences import Remembered, config_folder
from .terminal.malloc import give_back_large_pieces
from .terminal.splash import greeting


def run_cockpit(settings: Settings, wish: Wish) -> int:
    """Open the cockpit on the queue of the settings, or on the demo's own; returns the exit code.

    Raises:
        StoreRefused: the database cannot be used.
        NoFrame: a frame was wished for, and there is nothing to show.
        ValueError: the environment asks for looks that there are not.
    """
    # Keys stay quick beside handlers that compute: the interpreter's lock changes hands every half millisecond.
    sys.setswitchinterval(SWITCH_INTERVAL)
    give_back_large_pieces()
    remembered = Remembered(config_folder() / "cockpit.json")
    with _queue(settings, wish) as (queue, where), _greeting(queue, where, wish, remembered):
        from .session import run  # with Textual, and all the screens

        return run(queue, settings, wish, where, remembered)


def _greeting(queue: Queue, where: str, wish: Wish, remembered: Remembered) -> AbstractContextManager[None]:
    if wish.frame is not None or "TEXTUAL_DRIVER" in os.environ:
        return nullcontext()  # nobody sees a terminal
    return greeting(queue, where, theme=wish.scheme or os.environ.get("JOBDECK_THEME") or remembered.get("theme", "dark"))


@contextmanager
def _queue(settings: Settings, wish: Wish) -> Iterator[tuple[Queue, str]]:
    if not wish.demo:
        with Queue(settings=settings) as queue:
            yield queue, _title(queue.where)
        return
    from .demo.sandbox import demo_queue
    from .demo.workload import Workload

    with demo_queue(settings) as queue:
        workload = Workload(queue)
        workload.start()
        try:
            yield queue, "demo"
        finally:
            workload.stop()


def _title(where: str) -> str:
    """Where the queue is, as short as it is still told apart: `~/jobs.db`, `me@db.example.org/jobs`."""
    scheme, separator, rest = where.partition("://")
    if separator and scheme != "sqlite":
        return rest.partition("?")[0]
    path, home = where, str(Path.home())
    return "~" + path[len(home) :] if path.startswith(home + "/") else path
