from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.helpers import ADDRESSES, CLOSES, EVERY_STORE, STORES, Bench, FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=EVERY_STORE)
def bench(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Bench]:
    """A store of each kind, empty."""
    path = tmp_path / "jobs.db"
    store = STORES[request.param](path, clock)
    yield Bench(store, clock, path)
    store.close()
    CLOSES[request.param](path)


@pytest.fixture(params=EVERY_STORE)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a place for a queue, of each kind of store."""
    path = tmp_path / "jobs.db"
    yield ADDRESSES[request.param](path)
    CLOSES[request.param](path)


def pytest_sessionfinish() -> None:
    """A server that was started is stopped, and its files removed, while there is time for it."""
    if (postgres := sys.modules.get("tests.core.postgres")) is not None:
        postgres.end()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is marked as SQLite's by its nature (files, plans, migrations of files) is no test of another store."""
    others = [each for each in items if each.get_closest_marker("sqlite") and each.get_closest_marker("postgres")]
    if others:
        items[:] = [each for each in items if each not in others]
        config.hook.pytest_deselected(items=others)
