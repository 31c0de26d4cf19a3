"""Temporary folders of a demo or an experiment, removed at its end, or by the next one if it was killed."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from jobdeck import StoreRefused

_LOCK = "lock"
"""A file in the folder that is locked while its owner runs."""
_YOUNG = 60.0
"""Seconds within which a folder may belong to a process that has not locked it yet."""


@contextmanager
def scratch_folder(prefix: str, what: str) -> Iterator[Path]:
    """Create a temporary folder and remove it at the end.

    If the process is killed its folder remains; the next call with the same prefix removes it.

    Args:
        prefix: the start of the folder's name.
        what: what needs the folder, as the start of a sentence: `The demo`.

    Raises:
        StoreRefused: no folder for temporary files can be written to.
    """
    try:
        _remove_stale_folders(Path(tempfile.gettempdir()), prefix)
    except FileNotFoundError:
        raise StoreRefused(what, "needs a folder for temporary files; set TMPDIR to one that you can write to") from None
    with (
        tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as folder,
        (Path(folder) / _LOCK).open("w") as lock,
    ):
        _lock(lock)
        yield Path(folder)


def is_in_use(folder: Path) -> bool:
    """Return whether the process that created the folder still runs."""
    try:
        with (folder / _LOCK).open("r+") as lock:
            return not _lock(lock)
    except OSError:
        return False


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


def _remove_stale_folders(base: Path, prefix: str) -> None:
    """Remove the folders of processes that were killed."""
    for folder in base.glob(f"{prefix}*"):
        try:
            if folder.is_symlink() or time.time() - folder.stat().st_mtime < _YOUNG:
                continue
            with (folder / _LOCK).open("r+") as lock:
                if _lock(lock):
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # owned by another user, or just removed
