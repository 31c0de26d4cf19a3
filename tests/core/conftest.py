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
    """Open an empty store of each kind."""
    path = tmp_path / "jobs.db"
    store = STORES[request.param](path, clock)
    yield Bench(store, clock, path)
    store.close()
    CLOSES[request.param](path)


@pytest.fixture(params=EVERY_STORE)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return a database URL for each kind of store."""
    path = tmp_path / "jobs.db"
    yield ADDRESSES[request.param](path)
    CLOSES[request.param](path)


def pytest_sessionfinish() -> None:
    """Stop the server, if one was started, and remove its files before the process exits."""
    if (postgres := sys.modules.get("tests.core.postgres")) is not None:
        postgres.end()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests of SQLite itself (files, query plans, file migrations) on other stores."""
    others = [each for each in items if each.get_closest_marker("sqlite") and each.get_closest_marker("postgres")]
    if others:
        items[:] = [each for each in items if each not in others]
        config.hook.pytest_deselected(items=others)
