"""Runs one session of the cockpit, or captures one frame, on an open queue."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from jobdeck import SWITCH_INTERVAL, CrashGuard, Queue, Settings

from .app import Cockpit
from .app_base import detect_ascii, theme_from_environment
from .collection import collect_regularly
from .feed.feed import Feed, Post
from .frame_capture import capture_frame
from .keymap import FILE, read_keymap
from .launch_options import FrameOptions, LaunchOptions
from .preferences import Preferences, config_file
from .terminal.crash import write_report
from .terminal.event_loop import responsive_loop
from .terminal.last_resort import LastResort
from .terminal.program_log import ProgramLog, RedirectedStreams, logging_to
from .text.sanitize import safe

if TYPE_CHECKING:
    from .demo.demo import Demo

_DEMO_THREADS = 8
_DEMO_SETTLE_TIME = 1.5
"""Seconds until the demo's jobs run."""
_STAGED = ("jobdeck.job", "jobdeck.worker", "jobdeck.maintenance", "jobdeck.rescue", "jobdeck.store")
"""The loggers whose warnings the demo causes on purpose."""
_CLOSING = 3.0
"""Seconds that closing the database takes at most."""


def _threads(queue: Queue, settings: Settings, wish: LaunchOptions) -> int:
    if queue.is_remote or wish.readonly or (wish.frame is not None and not wish.demo):
        return 0
    return wish.threads if wish.threads is not None else _DEMO_THREADS if wish.demo else settings.threads


def run(
    queue: Queue,
    settings: Settings,
    wish: LaunchOptions,
    where: str,
    remembered: Preferences,
    last_resort: LastResort,
    demo: Demo | None = None,
) -> int:
    """Run the cockpit on an open queue and return the exit code.

    Once the screen is closed, `last_resort` ends the process if the database keeps it from exiting.

    Raises:
        FrameUnavailable: a frame was requested, but nothing can be shown.
        ValueError: an environment variable for the theme or the character set is invalid.
    """
    log = ProgramLog(staged=() if demo is None else _STAGED)
    readonly = wish.readonly or wish.frame is not None
    threads = _threads(queue, settings, wish)

    def make_feed(post: Post) -> Feed:
        return Feed(queue, post, threads=threads, readonly=readonly)

    if demo is not None:
        demo.start()
    with logging_to(log, settings.log_level):
        app = Cockpit(
            make_feed,
            where=where,
            grace=settings.shutdown_grace,
            readonly=wish.readonly,
            look_back=600.0,
            remembered=remembered,
            scheme=wish.scheme or theme_from_environment(os.environ),
            ascii_only=wish.ascii_only or detect_ascii(os.environ, remembered),
            keymap=read_keymap(config_file(FILE), Cockpit),
            log=log,
            demo=demo,
            tour=wish.tour,
        )
        app.database_url = settings.database
        if wish.frame is not None:
            _print_frame(app, wish.frame, settle=_DEMO_SETTLE_TIME if wish.demo else 0.0)
            if queue.notice is not None:
                print(f"jobdeck: {safe(queue.notice)}", file=sys.stderr)  # noqa: T201
            return 0
        app.use_terminal_colors()
        guard = CrashGuard()
        if threads:
            guard.start()
        code = _run_app(app, log, last_resort)
        if app.feed.drained_cleanly:
            guard.close()
    if app.failure is not None:
        print(f"jobdeck: {write_report(app.failure, log)}", file=sys.stderr)  # noqa: T201
        return 1
    return code


def _run_app(app: Cockpit, log: ProgramLog, last_resort: LastResort) -> int:
    with RedirectedStreams(log):
        code: int | None = 0
        collect_regularly()
        try:
            code = app.run(loop=responsive_loop())
        except Exception as error:  # raised outside of the app's own exception handling
            app.failure = app.failure or error
            code = 1
        finally:
            sys.setswitchinterval(SWITCH_INTERVAL)  # responsiveness no longer matters
            last_resort.arm(_CLOSING if app.feed.drained_cleanly else 0.0, app.return_code or code or 0)
            app.feed.end()
    return app.return_code or code or 0


def _print_frame(app: Cockpit, options: FrameOptions, *, settle: float) -> None:
    try:
        text = capture_frame(app, size=options.size, room=options.screen, picture=options.picture, settle=settle)
    finally:
        app.feed.end()
    if options.picture is None:
        sys.stdout.write(text)
