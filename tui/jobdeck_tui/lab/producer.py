"""A producer: enqueues one job after another, and writes to the ledger what was acknowledged. Run as a process; killed."""

from __future__ import annotations

import sys

from jobdeck import Queue, Settings

from .kinds import lab_registry
from .ledger import append


def main(database: str, ledger: str) -> None:
    """Enqueue until the process is killed."""
    settings = Settings.load(database=database)
    with Queue(settings=settings, registry=lab_registry()) as queue:
        while True:
            append(ledger, "ack", queue.enqueue("lab.work", {"ledger": ledger}).id)


if __name__ == "__main__":
    main(*sys.argv[1:])
