"""The demo's second worker: a process of its own, which is started again after it was killed."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from jobdeck import Queue

from ..lab.child_process import start_module

FOLDER = "DEMO_FOLDER_OF_JOBDECK"
"""The variable with the folder of the demo. Its name does not start like a setting's."""
THREADS = 4
START_AFTER = 1.2
"""Seconds from the start of the demo: the first frame comes first."""
RESTART_AFTER = 3.0
"""Seconds from its death until it is started again."""


class SecondWorker:
    """Keeps the process running."""

    def __init__(self, queue: Queue, report: Callable[[str], None]) -> None:
        """Create the keeper.

        Args:
            queue: the demo's queue.
            report: called with a sentence when the process was started again.
        """
        self._queue = queue
        self._report = report
        self._stopped = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="jobdeck-demo-worker", daemon=True)

    def start(self) -> None:
        """Start the process in a moment. Returns immediately."""
        self._thread.start()

    def stop(self) -> None:
        """End the process: its queue is about to be deleted."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._process is not None:
            self._kill(self._process)

    @property
    def pid(self) -> int | None:
        """Return the id of the process; `None` if it is not running."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def kill(self) -> int | None:
        """Kill it with `kill -9`, and return its id; `None` if it is not running."""
        process, pid = self._process, self.pid
        if process is not None and pid is not None:
            process.kill()
            process.wait()
        return pid

    def _keep(self) -> None:
        pause, started = START_AFTER, 0
        while not self._stopped.wait(pause):
            pause = 0.2
            if self._process is None:
                self._process = self._start()
                started += 1
                if started > 1:
                    self._report(f"The second worker was started again: pid {self._process.pid}")
            elif self._process.poll() is not None:
                self._kill(self._process)
                self._process, pause = None, RESTART_AFTER

    def _start(self) -> subprocess.Popen[bytes]:
        folder = Path(self._queue.where).parent
        settings = self._queue.settings
        words = ["jobdeck_tui", "--db", self._queue.where, "--app", f"{__package__}.worker_app", "worker"]
        words += ["--threads", str(THREADS)]
        return start_module(words, folder, {"lease": settings.lease, "heartbeat": settings.heartbeat}, {FOLDER: str(folder)})

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
