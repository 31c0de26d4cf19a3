from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.core.helpers import ADDRESSES, CLOSES, EVERY_STORE
from tests.core.http.api import Api, served


@pytest.fixture(scope="session", params=EVERY_STORE)
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Serve an empty queue of each store; the tests share it."""
    folder = tmp_path_factory.mktemp("http")
    path = folder / "jobs.db"
    with served(folder, ADDRESSES[request.param](path)) as api:
        yield api
    CLOSES[request.param](path)
