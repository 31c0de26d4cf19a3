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

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
