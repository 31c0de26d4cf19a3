"""Touches a file while a worker can run jobs, for probes that run a command in its container."""

from __future__ import annotations

import os
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

from ..logs import get_logger
from ..model.errors import InvalidOption
from ..queue import Queue
from .health import WorkerHealth
from .worker import Worker

logger = get_logger("jobdeck.worker")

TOUCH_EVERY = 5.0
"""Seconds between two checks."""


class HealthFile:
    """Touches a file every five seconds while a worker can run jobs, on a thread of its own.

    The file is left as it is while the database cannot be used, so that a probe may bear an outage of some minutes; it is
    removed if the worker hangs and only a restart helps, and when the worker stops.
    """

    def __init__(self, queue: Queue, worker: Worker, path: str | Path, *, every: float = TOUCH_EVERY) -> None:
        """Keep what to check; `start` touches the file.

        Args:
            queue: the queue, which the caller closes after `stop`.
            worker: the worker.
            path: the file. Its folder must exist.
            every: seconds between two checks.

        Raises:
            InvalidOption: the file cannot be written.
        """
        self._path = Path(path)
        self._every = every
        self._health = WorkerHealth(queue, worker)
        self._stopped = threading.Event()
        self._failed = False
        self._thread = threading.Thread(target=self._loop, name="jobdeck-health-file", daemon=True)
        try:
            _touch(self._path)
            self._remove()  # until the worker has started, and is ready
        except OSError as error:
            raise InvalidOption("health file", f"{path} cannot be written: {error.strerror or error}") from None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Check now and then, on a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Remove the file."""
        self._stopped.set()
        self._health.close()
        if self._thread.ident is not None:
            self._thread.join(1)
        self._remove()

    def _loop(self) -> None:
        while not self._stopped.is_set():
            try:
                self._update()
            except OSError as error:
                if not self._failed:
                    logger.warning("The health file %s cannot be written: %s", self._path, error.strerror or error)
                self._failed = True
            except Exception:
                logger.exception("The health file could not be updated")
            self._stopped.wait(self._every)

    def _update(self) -> None:
        if self._health.hang() is not None:
            self._remove()
        elif self._health.unready() is None and not self._stopped.is_set():
            _touch(self._path)
            self._failed = False

    def _remove(self) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def _touch(path: Path) -> None:
    """Touch the file, never another one through a link that somebody put in its place, nor a device."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is not a plain file")
        os.utime(descriptor)
    finally:
        os.close(descriptor)
