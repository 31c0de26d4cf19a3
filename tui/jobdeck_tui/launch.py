"""Starts the cockpit: opens the queue, shows the splash screen and runs a session."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from jobdeck import SWITCH_INTERVAL, Queue, Settings, open_queue

from .launch_options import LaunchOptions
from .preferences import OF_TERMINAL, Preferences, config_file
from .terminal.job_control import wait_for_foreground
from .terminal.last_resort import LastResort
from .terminal.malloc import return_large_blocks
from .terminal.splash import show_splash

if TYPE_CHECKING:
    from .demo.demo import Demo


def run_cockpit(settings: Settings, wish: LaunchOptions) -> int:
    """Run the cockpit on the configured queue, or on the demo's, and return the exit code.

    Raises:
        StoreRefused: the database cannot be used.
        FrameUnavailable: a frame was requested, but nothing can be shown.
        ValueError: an environment variable for the theme or the character set is invalid.
    """
    # Keeps keys responsive while CPU-bound handlers run: threads give up the GIL every half millisecond.
    sys.setswitchinterval(SWITCH_INTERVAL)
    return_large_blocks()
    if wish.frame is None and "TEXTUAL_DRIVER" not in os.environ and sys.stdin is not None and sys.stdin.isatty():
        wait_for_foreground(sys.stdin.fileno())
    remembered = Preferences(config_file("cockpit.json"), lasting=OF_TERMINAL if wish.demo else None)
    last_resort = LastResort()
    try:
        with _queue(settings, wish) as (queue, where, demo), _splash(queue, where, wish, remembered):
            from .session import run  # imports Textual and the screens

            return run(queue, settings, wish, where, remembered, last_resort, demo)
    finally:
        last_resort.disarm()


def _splash(queue: Queue, where: str, wish: LaunchOptions, remembered: Preferences) -> AbstractContextManager[None]:
    if wish.frame is not None or "TEXTUAL_DRIVER" in os.environ:
        return nullcontext()  # no terminal is visible
    return show_splash(queue, where, theme=wish.scheme or os.environ.get("JOBDECK_THEME") or remembered.get("theme", "dark"))


@contextmanager
def _queue(settings: Settings, wish: LaunchOptions) -> Iterator[tuple[Queue, str, Demo | None]]:
    if not wish.demo:
        with open_queue(settings=settings, readonly=wish.readonly or wish.frame is not None) as queue:
            if queue.is_remote:
                queue.kinds.list()  # kept from now on: the screens ask for them, and must not wait for a server
            yield queue, _title(queue.where), None
        return
    from .demo.demo import Demo
    from .demo.sandbox import demo_queue

    with demo_queue(settings) as queue, Demo(queue) as demo:
        yield queue, "demo", demo


def _title(where: str) -> str:
    """Return the queue's location in short, such as `~/jobs.db` or `me@db.example.org/jobs`."""
    scheme, separator, rest = where.partition("://")
    if separator and scheme in ("http", "https"):
        return where
    if separator and scheme != "sqlite":
        return rest.partition("?")[0]
    try:
        home = str(Path.home())
    except RuntimeError:  # the user has none
        return where
    return "~" + where[len(home) :] if where.startswith(home + "/") else where
