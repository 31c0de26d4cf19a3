"""One session of the cockpit, or one frame of it, on a queue that is open."""

from __future__ import annotations

import os
import sys

from jobdeck import SWITCH_INTERVAL, Queue, Settings

from .app import Cockpit
from .app_base import ascii_of, scheme_of
from .feed.feed import Feed, Post
from .frame_capture import take
from .keymap import FILE, read_keymap
from .launch_options import Frame, Wish
from .preferences import Remembered, config_folder
from .terminal.crash import report
from .terminal.event_loop import prompt_loop
from .terminal.program_log import ProgramLog, Streams, logging_to

_DEMO_THREADS = 8
_DEMO_SETTLES = 4.0
"""Seconds until the demo has something to show."""


def _threads(settings: Settings, wish: Wish) -> int:
    if wish.readonly or (wish.frame is not None and not wish.demo):
        return 0
    return wish.threads if wish.threads is not None else _DEMO_THREADS if wish.demo else settings.threads


def run(queue: Queue, settings: Settings, wish: Wish, where: str, remembered: Remembered) -> int:
    """Run the cockpit on an open queue; returns the exit code.

    Raises:
        NoFrame: a frame was wished for, and there is nothing to show.
        ValueError: the environment asks for looks that there are not.
    """
    log = ProgramLog()
    readonly = wish.readonly or wish.frame is not None
    threads = _threads(settings, wish)

    def make_feed(post: Post) -> Feed:
        return Feed(queue, post, threads=threads, readonly=readonly)

    with logging_to(log, settings.log_level):
        app = Cockpit(
            make_feed,
            where=where,
            grace=settings.shutdown_grace,
            readonly=readonly,
            look_back=120.0 if wish.demo else 600.0,
            remembered=remembered,
            scheme=wish.scheme or scheme_of(os.environ),
            ascii_only=wish.ascii_only or ascii_of(os.environ, remembered),
            keymap=read_keymap(config_folder() / FILE, Cockpit),
            log=log,
        )
        if wish.frame is not None:
            _show_frame(app, wish.frame, settle=_DEMO_SETTLES if wish.demo else 0.0)
            return 0
        code = _session(app, log)
    if app.failure is not None:
        print(f"jobdeck: {report(app.failure, log)}", file=sys.stderr)  # noqa: T201
        return 1
    return code


def _session(app: Cockpit, log: ProgramLog) -> int:
    with Streams(log):
        try:
            code = app.run(loop=prompt_loop())
        except Exception as error:  # before or after its own care for exceptions
            app.failure = app.failure or error
            code = 1
        finally:
            sys.setswitchinterval(SWITCH_INTERVAL)  # nothing is left to be prompt for
            app.feed.end()
    return app.return_code or code or 0


def _show_frame(app: Cockpit, wanted: Frame, *, settle: float) -> None:
    try:
        shown = take(app, size=wanted.size, room=wanted.room, picture=wanted.picture, settle=settle)
    finally:
        app.feed.end()
    if wanted.picture is None:
        sys.stdout.write(shown)
