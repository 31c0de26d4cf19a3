"""Run functions concurrently, and in an order that the locks of a server enforce."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.core.helpers import CLOSES, STORES, Bench, FakeClock, wait_until


@contextmanager
def on_server(folder: Path, clock: FakeClock) -> Iterator[Bench]:
    """Open an empty queue on the server, and drop its tables afterwards."""
    path = folder / "jobs.db"
    store = STORES["postgres"](path, clock)
    yield Bench(store, clock, path)
    store.close()
    CLOSES["postgres"](path)


@contextmanager
def open_more(bench: Bench, n: int) -> Iterator[list[Bench]]:
    """Open `n` more stores of the same queue, which stand for other processes."""
    with ExitStack() as stack:
        made = [bench.open_again() for _ in range(n)]
        for store in made:
            stack.callback(store.close)
        yield [Bench(store, bench.clock, bench.path) for store in made]


def run_concurrently(*acts: Callable[[], object]) -> list[BaseException]:
    """Run all functions at the same time; return the exceptions raised."""
    errors: list[BaseException] = []
    ready = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        ready.wait()
        try:
            act()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return errors


def in_background(act: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    """Run a function on its own thread; return the thread and the list of exceptions raised."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, errors


def wait_for_a_lock(bench: Bench) -> None:
    """Wait until a connection waits for a lock."""
    wait_until(lambda: bench.rows("SELECT 1 FROM pg_locks WHERE NOT granted"), what="a wait for a lock")
