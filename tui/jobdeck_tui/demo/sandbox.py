"""The temporary queue of `jobdeck demo`."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from jobdeck import Queue, Settings, StoreRefused

from .kinds import demo_registry

KEPT = 1800.0
"""Retention of finished jobs in seconds: a demo that runs all day must not fill the disk."""
_PREFIX = "jobdeck-demo-"
_LOCK = "lock"
"""A file in the folder that is locked while the demo runs."""


@contextmanager
def demo_queue(settings: Settings | None = None) -> Iterator[Queue]:
    """Open a queue with the demo's kinds in a temporary folder, and remove the folder at the end.

    If a demo is killed its folder remains; the next demo removes it. Stop the workers of the queue before the context
    exits.
    """
    settings = settings or Settings.load()
    try:
        _remove_stale_folders(Path(tempfile.gettempdir()))
    except FileNotFoundError:
        raise StoreRefused("The demo", "needs a folder for temporary files; set TMPDIR to one that you can write to") from None
    with (
        tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder,
        (Path(folder) / _LOCK).open("w") as lock,
    ):
        _lock(lock)
        database = str(Path(folder) / "demo.db")
        retention = min(settings.retention or KEPT, KEPT)
        # No child processes: they could not import kinds that belong to no app.
        settings = replace(settings, database=database, retention=retention, queues=(), processes=0)
        with Queue(database, settings=settings, registry=demo_registry()) as queue:
            yield queue


def _lock(file: IO[str]) -> bool:
    """Lock the file until it is closed or the process ends; return `False` if another process holds the lock."""
    try:
        import fcntl
    except ImportError:  # no file locks on this system: folders are not removed
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_stale_folders(base: Path) -> None:
    """Remove the folders of demos that were killed."""
    for folder in base.glob(f"{_PREFIX}*"):
        try:
            # A new folder may belong to a demo that has not locked it yet.
            if folder.is_symlink() or time.time() - folder.stat().st_mtime < 60:
                continue
            with (folder / _LOCK).open("r+") as lock:
                if _lock(lock):
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # owned by another user, or just removed
