"""A connection pooler between jobdeck and its server: also one that shares sessions between clients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from tests.core.concurrency import run_concurrently
from tests.core.helpers import CLOSES, wait_until
from tests.core.pgbouncer import pgbouncer
from tests.core.postgres import database_at
from tests.tui.cli_runner import CommandLine

from jobdeck import Queue, Registry, Severity, State, StoreRefused, Worker, doctor
from jobdeck.kinds.registry import Entry

pytestmark = pytest.mark.postgres

REFUSAL = r"^postgresql://\S+ is behind a connection pooler that shares sessions .* set pool_mode = transaction or session[.]$"
MODES = ["session", "transaction"]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    yield database_at(tmp_path)
    CLOSES["postgres"](tmp_path)


def test_a_pooler_without_transactions_is_refused_in_one_sentence(address: str) -> None:
    with pgbouncer(address, "statement") as through, pytest.raises(StoreRefused, match=REFUSAL):
        Queue(through)


@pytest.mark.parametrize("words", [("run", "--", "true"), ("worker",), ("list",), ("health",), ("doctor",)])
def test_every_command_says_that_the_pooler_has_no_transactions(address: str, tmp_path: Path, words: tuple[str, ...]) -> None:
    with pgbouncer(address, "statement") as through:
        result = CommandLine(tmp_path, address=through)(*words)
    assert result.exit_code == 1
    assert "set pool_mode = transaction or session" in result.output
    assert "Traceback" not in result.output
    assert len(result.output.strip().splitlines()) <= 3


@pytest.mark.parametrize("mode", MODES)
def test_jobs_run_through_a_pooler(address: str, mode: str) -> None:
    known = Registry([Entry("note", lambda: 7), Entry("fail", lambda: 1 / 0, max_attempts=1)])
    with pgbouncer(address, mode) as through, Queue(through, registry=known) as queue:
        queue.limits.set("narrow", running=1)
        with Worker(queue, threads=3):
            jobs = [queue.enqueue("note") for _ in range(10)]
            jobs += [queue.enqueue("note", queue="narrow", unique=f"k{n}", after=[jobs[n].id]) for n in range(4)]
            broken = queue.enqueue("fail")
            ended = [*jobs, broken]
            wait_until(lambda: all(queue.get(job.id).state.is_final for job in ended))
        assert [queue.get(job.id).result for job in jobs] == [7] * len(jobs)
        assert queue.get(broken.id).state is State.FAILED
        assert queue.maintenance.repair() == []  # the counters are right


def test_clients_that_share_sessions_count_right(address: str) -> None:
    with pgbouncer(address, "transaction") as through, ExitStack() as stack:
        queues = [stack.enter_context(Queue(through, registry=Registry([Entry("note", lambda: 7)]))) for _ in range(4)]
        run_concurrently(*[lambda each=each: [each.enqueue("note") for _ in range(20)] for each in queues])
        assert queues[0].count("") == 80
        assert sum(each.pending for each in queues[1].queues()) == 80
        assert queues[2].maintenance.repair() == []


def test_the_settings_of_other_clients_stay_as_they_are(address: str) -> None:
    """Settings that one client makes in a shared session reach the next one."""
    with pgbouncer(address, "transaction") as through:
        with Queue(through, registry=Registry([Entry("note", lambda: 7)])) as queue:
            queue.enqueue("note")
            assert doctor(through)
        with psycopg.connect(through) as other:
            for name, value in (("lock_timeout", "0"), ("default_transaction_read_only", "off"), ("jit", "on")):
                assert other.execute(f"SHOW {name}").fetchone() == (value,)  # type: ignore[call-overload]
            held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            assert other.execute(held).fetchone() == (0,)


def test_doctor_says_that_workers_poll(address: str) -> None:
    with pgbouncer(address, "transaction") as through:
        Queue(through).close()
        (found,) = [each for each in doctor(through) if each.check == "session"]
    assert found.severity is Severity.WARNING
    assert "workers poll" in found.message
