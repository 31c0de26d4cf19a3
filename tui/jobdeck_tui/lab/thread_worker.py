"""A worker of jobdeck whose number of threads is changed while it runs: `… thread_worker --db FILE --threads FILE`."""

from __future__ import annotations

import argparse
import signal
import time
from pathlib import Path

from jobdeck import Queue, Settings, Worker

from .kinds import lab_registry

_CHECK = 0.05
"""Seconds between two looks at the file."""


def main() -> None:
    """Work until the process is killed, with as many threads as the file says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--db", required=True)
    parser.add_argument("--threads", type=Path, required=True, help="the file with the number of threads")
    options = parser.parse_args()
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    threads = int(options.threads.read_text())
    with (
        Queue(settings=Settings.load(database=options.db), registry=lab_registry()) as queue,
        Worker(queue, threads=threads, own_process=True) as worker,
    ):
        while not ended:
            time.sleep(_CHECK)
            wanted = int(options.threads.read_text() or threads)
            if wanted != threads:
                threads = wanted
                worker.resize(threads)


if __name__ == "__main__":
    main()
