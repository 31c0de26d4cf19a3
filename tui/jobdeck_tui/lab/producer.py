"""A producer: threads that enqueue one job after another, and write to the ledger what was acknowledged. Run as a process."""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable
from itertools import count

from jobdeck import Queue, Settings

from .kinds import lab_registry
from .ledger import append
from .naive_worker import connect


def _plain_enqueue(database: str) -> int:
    """Insert a job as many programs do: a connection and a transaction of its own, and SQLite's own busy timeout."""
    connection = connect(database)
    try:
        connection.pragma("synchronous", "full")
        connection.execute("INSERT INTO jobs DEFAULT VALUES")
        return connection.last_insert_rowid()
    finally:
        connection.close()


def _produce(ledger: str, jobs: int | None, enqueue: Callable[[], int]) -> None:
    for _ in count() if jobs is None else range(jobs):
        started = time.monotonic()
        job = enqueue()
        append(ledger, "ack", job, waited=time.monotonic() - started)


def main() -> None:
    """Enqueue the jobs, or until the process is killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--db", required=True)
    parser.add_argument("--ledger", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--jobs", type=int, help="for each thread; endless if not given")
    parser.add_argument("--plain", action="store_true", help="insert into a plain table instead of jobdeck's queue")
    options = parser.parse_args()

    def run(enqueue: Callable[[], int]) -> None:
        arguments = (options.ledger, options.jobs, enqueue)
        threads = [threading.Thread(target=_produce, args=arguments) for _ in range(options.threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    if options.plain:
        run(lambda: _plain_enqueue(options.db))
        return
    with Queue(settings=Settings.load(database=options.db), registry=lab_registry()) as queue:
        run(lambda: queue.enqueue("lab.work", {"ledger": options.ledger}).id)


if __name__ == "__main__":
    main()
