"""jobdeck: a durable job queue on an SQLite file.

This is the front door. Everything a program or a front end may use is here; the modules behind it may
change. Names are loaded when they are first used, so that `import jobdeck` costs next to nothing. Help for the tests
of your own program is in `jobdeck.testing`.

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
