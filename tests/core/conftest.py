from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.helpers import STORES, Bench, FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=STORES)
def bench(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Bench]:
    """A store of each kind, empty."""
    path = tmp_path / "jobs.db"
    store = STORES[request.param](path, clock)
    yield Bench(store, clock, path)
    store.close()
