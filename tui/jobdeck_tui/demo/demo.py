"""A running demo: its workload, its second worker process, and what can be broken in it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from jobdeck import JobdeckError, Queue, import_past_jobs

from .faults import Faults
from .history import KEPT, past_jobs
from .outage import use_folder
from .second_worker import SecondWorker
from .workload import Workload

logger = logging.getLogger("jobdeck.demo")


class Demo:
    """Everything of the demo but the cockpit.

    Its history is written on a thread from the moment of its creation, while the cockpit is imported; `start` waits for it.

    Example:
        >>> with demo_queue() as queue, Demo(queue) as demo:
        ...     demo.start()
        ...     demo.faults.cause("burst")
    """

    def __init__(self, queue: Queue, *, seed: int = 7) -> None:
        """Create the demo on a queue in a scratch folder.

        Args:
            queue: the queue, with the demo's kinds.
            seed: the seed of its traffic.
        """
        self.queue = queue
        self.folder = Path(queue.where).parent
        self.on_report: Callable[[str], None] = lambda _: None
        """Called with a sentence when something has healed, on any thread."""
        self.workload = Workload(queue, seed=seed)
        self.worker = SecondWorker(queue, self._report)
        self.faults = Faults(queue, self.worker, self._report)
        self._settings = replace(queue.settings, synchronous="OFF")
        self._seed = seed
        self._history = threading.Thread(target=self._write_history, name="jobdeck-demo-history")

    def __enter__(self) -> Self:
        use_folder(self.folder)
        self._history.start()
        return self

    def start(self) -> None:
        """Start the traffic and the second worker, once the history is there. Returns within a moment."""
        self._history.join()
        self.workload.start()
        self.worker.start()

    def _write_history(self) -> None:
        try:
            import_past_jobs(self._settings.database, past_jobs(time.time(), self._seed), keep=KEPT, settings=self._settings)
        except JobdeckError as error:
            logger.warning("The demo has no history: %s", error)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.on_report = lambda _: None
        self.faults.stop()
        self._history.join()
        self.workload.stop()
        self.worker.stop()
        self.queue.wake()  # removes the socket of the killed process
        use_folder(None)

    def _report(self, text: str) -> None:
        self.on_report(text)
