"""The checks of a file's environment: the disk, the type of file system, SQLite itself, the wake-up of workers."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import apsw

from ....model.findings import Severity
from ...doctor import CheckResult, format_size
from ...filesystem import FORGETFUL, NETWORK, UNSURE, file_system_of
from ...notifier import SocketNotifier
from .context import Check, CheckContext

_TIGHT, _LOW = 64 << 20, 512 << 20
"""Bytes of free disk below which the next minutes, or days, are at risk."""
_MENDED = "3.51.3"
"""The SQLite version that fixed the WAL-reset bug: https://sqlite.org/wal.html#walresetbug."""
_HEARD = 2.0
"""Seconds that a notification may take."""


def _there(path: Path) -> Path:
    """Return the path, or the nearest existing folder above it."""
    return next((each for each in (path, *path.parents) if "\0" not in str(each) and each.exists()), Path("/"))


def _disk(context: CheckContext) -> Iterator[CheckResult]:
    try:
        free = shutil.disk_usage(_there(context.path)).free
    except OSError as error:
        yield Severity.WARNING, f"The system does not report the free disk space ({error.strerror}).", "Check it yourself."
        return
    text = f"{format_size(free)} of disk are free."
    if free < _TIGHT:
        yield Severity.PROBLEM, text, "Free some space now: on a full disk no job can be enqueued or finished."
    elif free < _LOW:
        yield Severity.WARNING, text, "Free disk space, or keep less history (JOBDECK_RETENTION, JOBDECK_RETENTION_COUNT)."
    else:
        yield Severity.OK, text, ""


def _file_system(context: CheckContext) -> Iterator[CheckResult]:
    kind = file_system_of(_there(context.path))
    if kind is None:
        yield Severity.OK, "The system does not report the type of the file system; it must be a local one.", ""
    elif kind in NETWORK:
        text = f"The file is on {kind}, a network file system: SQLite's locks may not work there, and jobs can be lost."
        yield Severity.PROBLEM, text, "Move the queue to a local disk of the machine that runs the workers."
    elif kind in UNSURE or kind.startswith("fuse"):
        text = f"The file is on {kind}, where SQLite's locks and shared memory may not work."
        yield Severity.WARNING, text, "Move the queue to a local disk, unless you know that they do."
    elif kind in FORGETFUL:
        text = f"The file is on {kind}, in memory: a restart of the machine deletes it."
        yield Severity.WARNING, text, "Move the queue to a disk, unless that is intended."
    else:
        yield Severity.OK, f"The file is on {kind}.", ""


def _sqlite(_: CheckContext) -> Iterator[CheckResult]:
    version = apsw.sqlite_lib_version()
    if _numbers(version) >= _numbers(_MENDED):
        yield Severity.OK, f"SQLite {version}.", ""
    else:
        text = f"SQLite {version} has a bug that can lose acknowledged jobs."
        yield Severity.PROBLEM, text, f"Install apsw {_MENDED} or newer."


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def _wake_up(context: CheckContext) -> Iterator[CheckResult]:
    if "\0" in str(context.path):
        return
    bell, heard = SocketNotifier(context.path), threading.Event()
    try:
        with bell.listen(heard.set):
            bell.notify()
            works = heard.wait(_HEARD)
    finally:
        bell.close()
    if works:
        yield Severity.OK, "Workers in other processes are woken at once.", ""
    else:
        text = "Workers in other processes are not woken: they poll for new jobs once a second."
        yield Severity.WARNING, text, f"Check that you can create the folder {bell.folder}, and own it."


SURROUNDINGS: Sequence[tuple[str, Check]] = (
    ("disk", _disk),
    ("file system", _file_system),
    ("sqlite", _sqlite),
    ("wake-up", _wake_up),
)
