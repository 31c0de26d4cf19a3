"""A connection pooler between jobdeck and its server: refused in one sentence if it shares sessions between clients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.core.helpers import CLOSES, wait_until
from tests.core.pgbouncer import pgbouncer
from tests.core.postgres import database_at
from tests.tui.cli_runner import CommandLine

from jobdeck import Queue, Registry, State, StoreRefused, Worker
from jobdeck.kinds.registry import Entry

pytestmark = pytest.mark.postgres

REFUSAL = r"^postgresql://\S+ is behind a connection pooler that shares sessions .* set pool_mode = session[.]$"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    yield database_at(tmp_path)
    CLOSES["postgres"](tmp_path)


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pooler_that_shares_sessions_is_refused_in_one_sentence(address: str, mode: str) -> None:
    with pgbouncer(address, mode) as through, pytest.raises(StoreRefused, match=REFUSAL):
        Queue(through)


@pytest.mark.parametrize("words", [("run", "--", "true"), ("worker",), ("list",), ("health",), ("doctor",)])
def test_every_command_says_that_the_pooler_shares_sessions(address: str, tmp_path: Path, words: tuple[str, ...]) -> None:
    with pgbouncer(address, "transaction") as through:
        result = CommandLine(tmp_path, address=through)(*words)
    assert result.exit_code == 1
    assert "pool_mode = session" in result.output
    assert "Traceback" not in result.output
    assert len(result.output.strip().splitlines()) <= 3


def test_the_settings_of_other_clients_stay_as_they_are(address: str) -> None:
    """Settings that one client makes in a shared session reach the next one."""
    with pgbouncer(address, "transaction") as through:
        with pytest.raises(StoreRefused):
            Queue(through)
        with psycopg.connect(through) as other:
            assert other.execute("SHOW lock_timeout").fetchone() == ("0",)


def test_a_pooler_in_session_mode_is_used(address: str) -> None:
    known = Registry([Entry("note", lambda: 7)])
    with pgbouncer(address, "session") as through, Queue(through, registry=known) as queue, Worker(queue, threads=1):
        job = queue.enqueue("note")
        wait_until(lambda: queue.get(job.id).state is State.COMPLETED)
        assert queue.get(job.id).result == 7
