"""jobdeck: a durable job queue on SQLite or PostgreSQL.

This package exports the public API; the modules behind it may change. Names are loaded on first use, so that `import jobdeck`
costs almost nothing. Helpers for the tests of your own program are in `jobdeck.testing`.

Example:
    >>> from jobdeck import Queue, Worker, job
    >>> @job(queue="mail", max_attempts=5)
    ... def send_receipt(order_id: int, to: str) -> None: ...
    >>> with Queue("jobs.db") as queue:
    ...     queue.enqueue(send_receipt, {"order_id": 1, "to": "a@example.org"})
"""

from __future__ import annotations

import lazy_loader

__version__ = "0.1.0"


def _exports() -> dict[str, list[str]]:
    """Return the names of each module as `__init__.pyi` has them, one a line: parsing it as Python takes ten times as long."""
    found: dict[str, list[str]] = {}
    names: list[str] = []
    with open(f"{__file__}i", encoding="utf-8") as stub:  # noqa: PTH123  # pathlib takes 4 ms to import
        for line in stub:
            if line.endswith("(\n"):  # from .model.jobs import (
                names = found.setdefault(line.split()[1][1:], [])
            elif line.startswith("    "):  # Job as Job,
                names.append(line.split()[0])
    return found


__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, ["testing"], _exports())
