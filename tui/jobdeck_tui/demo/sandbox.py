"""The throwaway queue of `jobdeck demo`."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from jobdeck import Queue, Settings

from .kinds import demo_registry

KEPT = 1800.0
"""Seconds a finished job of the demo is kept: a demo that runs all day must not fill the disk."""
_PREFIX = "jobdeck-demo-"
_LOCK = "lock"
"""A file in the folder, locked for as long as the demo lives."""


@contextmanager
def demo_queue(settings: Settings | None = None) -> Iterator[Queue]:
    """A queue with the demo's kinds in a temporary folder, removed at the end.

    A demo that was killed leaves its folder behind; the next one removes it. Stop the workers of the queue
    before leaving.
    """
    settings = settings or Settings.load()
    _sweep(Path(tempfile.gettempdir()))
    with (
        tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder,
        (Path(folder) / _LOCK).open("w") as lock,
    ):
        _lock(lock)
        database = str(Path(folder) / "demo.db")
        kept = min(settings.retention or KEPT, KEPT)
        # No child processes: they could not find kinds that are in no app.
        settings = replace(settings, database=database, retention=kept, queues=(), processes=0)
        with Queue(database, settings=settings, registry=demo_registry()) as queue:
            yield queue


def _lock(file: IO[str]) -> bool:
    """Lock the file until it is closed or the process ends; `False` if another process has done so."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system: nothing is swept there
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sweep(base: Path) -> None:
    """Remove the folders of demos that were killed."""
    for folder in base.glob(f"{_PREFIX}*"):
        try:
            # A young folder may belong to a demo that has not come to lock it yet.
            if folder.is_symlink() or time.time() - folder.stat().st_mtime < 60:
                continue
            with (folder / _LOCK).open("r+") as lock:
                if _lock(lock):
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # somebody else's, or just gone
