"""Opening the cockpit on a queue: what a person wishes of it, what surrounds it while it is open, how it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jobdeck import SWITCH_INTERVAL, Queue, Settings

from .app import Cockpit
from .appearance import ascii_of, scheme_of
from .crash import report
from .feed import Feed, Post
from .keymap import FILE, read_keymap
from .loop import prompt_loop
from .program_log import ProgramLog, Streams, logging_to
from .remembered import Remembered, config_folder
from .snapshot import take

_DEMO_THREADS = 8
_DEMO_SETTLES = 4.0
"""Seconds until the demo has something to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame instead of a session."""

    size: tuple[int, int]
    room: str = ""
    picture: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a person wants the cockpit, as far as it was said."""

    threads: int | None = None
    readonly: bool = False
    demo: bool = False
    scheme: str | None = None
    ascii_only: bool = False
    frame: Frame | None = None


def run_cockpit(settings: Settings, wish: Wish) -> int:
    """Open the cockpit on the queue of the settings, or on the demo's own; returns the exit code.

    Raises:
        StoreRefused: the database cannot be used.
        NoFrame: a frame was wished for, and there is nothing to show.
        ValueError: the environment asks for looks that there are not.
    """
    # Keys stay quick beside handlers that compute: the interpreter's lock changes hands every half millisecond.
    sys.setswitchinterval(SWITCH_INTERVAL)
    with _queue(settings, wish) as (queue, where):
        return _run(queue, settings, wish, where)


@contextmanager
def _queue(settings: Settings, wish: Wish) -> Iterator[tuple[Queue, str]]:
    if not wish.demo:
        with Queue(settings=settings) as queue:
            yield queue, _title(queue.where)
        return
    from .lab.workload import Workload, demo_queue

    with demo_queue(settings) as queue:
        workload = Workload(queue)
        workload.start()
        try:
            yield queue, "demo"
        finally:
            workload.stop()


def _threads(settings: Settings, wish: Wish) -> int:
    if wish.readonly or (wish.frame is not None and not wish.demo):
        return 0
    return wish.threads if wish.threads is not None else _DEMO_THREADS if wish.demo else settings.threads


def _run(queue: Queue, settings: Settings, wish: Wish, where: str) -> int:
    log = ProgramLog()
    remembered = Remembered(config_folder() / "cockpit.json")
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
            keymap=read_keymap(config_folder() / FILE),
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


def _title(where: str) -> str:
    """Where the queue is, as short as it is still told apart: `~/jobs.db`, `me@db.example.org/jobs`."""
    scheme, separator, rest = where.partition("://")
    if separator and scheme != "sqlite":
        return rest.partition("?")[0]
    path, home = where, str(Path.home())
    return "~" + path[len(home) :] if path.startswith(home + "/") else path
