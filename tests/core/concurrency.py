"""Doing things at the same time, and in an order that a server's locks force."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.core.helpers import CLOSES, STORES, Bench, FakeClock, wait_until


@contextmanager
def on_server(folder: Path, clock: FakeClock) -> Iterator[Bench]:
    """An empty queue on the server, and its tables gone afterwards."""
    path = folder / "jobs.db"
    store = STORES["postgres"](path, clock)
    yield Bench(store, clock, path)
    store.close()
    CLOSES["postgres"](path)


@contextmanager
def more_of(bench: Bench, n: int) -> Iterator[list[Bench]]:
    """As many processes more, as far as the store can tell."""
    with ExitStack() as stack:
        made = [bench.again() for _ in range(n)]
        for store in made:
            stack.callback(store.close)
        yield [Bench(store, bench.clock, bench.path) for store in made]


def together(*acts: Callable[[], object]) -> list[BaseException]:
    """Do all of it at the same time; what was raised."""
    problems: list[BaseException] = []
    ready = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        ready.wait()
        try:
            act()
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return problems


def in_background(act: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    """Begin it on a thread of its own."""
    problems: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, problems


def wait_for_a_lock(bench: Bench) -> None:
    """Until somebody waits for a lock."""
    wait_until(lambda: bench.rows("SELECT 1 FROM pg_locks WHERE NOT granted"), what="a wait for a lock")
