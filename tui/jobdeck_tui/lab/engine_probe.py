"""A program that uses the engine alone: opens a queue, counts its jobs, and writes down what it has imported.

`python -m jobdeck_tui.lab.engine_probe DATABASE OUTPUT`; the packages that it is in itself do not count.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main() -> None:
    """Count, and write the numbers as JSON."""
    before = set(sys.modules)
    started = time.perf_counter()
    from jobdeck import Queue, Settings

    database, output = sys.argv[1:]
    with Queue(database, settings=Settings(database=database), create=False) as queue:
        jobs = queue.count()
    took = time.perf_counter() - started
    loaded = set(sys.modules) - before
    counts = {
        name: sum(each == package or each.startswith(f"{package}.") for each in loaded)
        for name, package in (("engine", "jobdeck"), ("front", "jobdeck_tui"), ("textual", "textual"))
    }
    Path(output).write_text(json.dumps({"jobs": jobs, "ms": took * 1000, **counts}))


if __name__ == "__main__":
    main()
