"""Measure PGQueuer and Procrastinate on the same server as jobdeck, each as its documentation makes it fastest.

Both are optional: `pip install 'pgqueuer[asyncpg]' procrastinate uvloop`. If one is missing, its rows are left out.

PGQueuer runs async handlers that do nothing on one event loop for each process, and claims and records in batches of 100
(with batches of 10, its default, it is slower). Procrastinate runs `threads` jobs at once on one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from processes import Start

BATCH = 100
"""Jobs that PGQueuer claims and records at once."""


class Peer(NamedTuple):
    """How a queue fills a database with jobs, drains it and enqueues one job after the other."""

    fill: Callable[[str, int], None]
    drain: Callable[[Start, str, int], tuple[float, float, int]]
    enqueue: Callable[[Start, str, float], int]


def version(name: str) -> str | None:
    """Return the installed version of a package; `None` if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    logging.disable(logging.WARNING)
    with contextlib.suppress(ImportError):
        import uvloop  # type: ignore[import-not-found]

        return uvloop.run(work)
    return asyncio.run(work)


# -- PGQueuer -------------------------------------------------------------------------------------


async def _pgqueuer(address: str) -> Any:
    import asyncpg  # type: ignore[import-not-found,import-untyped]
    from pgqueuer.db import AsyncpgDriver  # type: ignore[import-not-found]

    return AsyncpgDriver(await asyncpg.connect(address))


def pgqueuer_fill(address: str, jobs: int) -> None:
    """Create PGQueuer's tables, and enqueue jobs in bulk."""

    async def fill() -> None:
        from pgqueuer.queries import Queries  # type: ignore[import-not-found]

        queries = Queries(await _pgqueuer(address))
        await queries.install()
        for first in range(0, jobs, 5_000):
            n = min(5_000, jobs - first)
            await queries.enqueue(["noop"] * n, [b'{"n": 1}'] * n, [0] * n)

    _run(fill())


def pgqueuer_drain(start: Start, address: str, threads: int) -> tuple[float, float, int]:
    """Run a worker until the queue is empty; return when it started and ended, and the jobs that it ran."""
    del threads  # its handlers run on the event loop

    async def drain() -> tuple[float, float, int]:
        from datetime import timedelta

        from pgqueuer.qm import QueueManager  # type: ignore[import-not-found]
        from pgqueuer.queries import Queries
        from pgqueuer.types import QueueExecutionMode  # type: ignore[import-not-found]

        manager = QueueManager(Queries(await _pgqueuer(address)))
        done = 0

        @manager.entrypoint("noop")  # type: ignore[untyped-decorator]
        async def noop(job: Any) -> None:
            nonlocal done
            done += 1

        await asyncio.to_thread(start)
        started = time.monotonic()
        await manager.run(dequeue_timeout=timedelta(seconds=5), batch_size=BATCH, mode=QueueExecutionMode.drain)
        return started, time.monotonic(), done

    found: tuple[float, float, int] = _run(drain())
    return found


def pgqueuer_enqueue(start: Start, address: str, seconds: float) -> int:
    """Enqueue jobs one after the other; return their number."""

    async def enqueue() -> int:
        from pgqueuer.queries import Queries

        queries = Queries(await _pgqueuer(address))
        await queries.enqueue("noop", b'{"n": 0}')
        await asyncio.to_thread(start)
        end, n = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            await queries.enqueue("noop", b'{"n": 1}')
            n += 1
        return n

    found: int = _run(enqueue())
    return found


# -- Procrastinate --------------------------------------------------------------------------------


def _procrastinate(connector: Any) -> tuple[Any, Any]:
    import procrastinate  # type: ignore[import-not-found]

    app = procrastinate.App(connector=connector)

    @app.task(name="noop")  # type: ignore[untyped-decorator]
    async def noop(n: int) -> None:
        pass

    return app, noop


def procrastinate_fill(address: str, jobs: int) -> None:
    """Create Procrastinate's tables, and enqueue jobs in bulk."""
    import procrastinate

    app, noop = _procrastinate(procrastinate.SyncPsycopgConnector(conninfo=address))
    with app.open():
        app.schema_manager.apply_schema()
        for first in range(0, jobs, 5_000):
            noop.batch_defer(*[{"n": n} for n in range(first, min(jobs, first + 5_000))])


def procrastinate_drain(start: Start, address: str, threads: int) -> tuple[float, float, int]:
    """Run a worker until the queue is empty; return when it started and ended, and the jobs that it ran (not told: 0)."""

    async def drain() -> tuple[float, float, int]:
        import procrastinate

        app, _ = _procrastinate(procrastinate.PsycopgConnector(conninfo=address))
        async with app.open_async():
            await asyncio.to_thread(start)
            started = time.monotonic()
            await app.run_worker_async(wait=False, concurrency=threads, install_signal_handlers=False)
            return started, time.monotonic(), 0

    found: tuple[float, float, int] = _run(drain())
    return found


def procrastinate_enqueue(start: Start, address: str, seconds: float) -> int:
    """Enqueue jobs one after the other; return their number."""
    import procrastinate

    logging.disable(logging.WARNING)
    app, noop = _procrastinate(procrastinate.SyncPsycopgConnector(conninfo=address))
    with app.open():
        noop.defer(n=0)
        start()
        end, n = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            noop.defer(n=n)
            n += 1
    return n


PEERS: dict[str, Peer] = {
    "pgqueuer": Peer(pgqueuer_fill, pgqueuer_drain, pgqueuer_enqueue),
    "procrastinate": Peer(procrastinate_fill, procrastinate_drain, procrastinate_enqueue),
}
