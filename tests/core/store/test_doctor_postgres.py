"""The doctor of a queue on a server finds problems, advises what to do, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from tests.core.concurrency import on_server
from tests.core.helpers import Bench, FakeClock
from tests.core.postgres import database_at, server

from jobdeck import Finding, Settings, Severity, State, WorkerInfo, doctor
from jobdeck.store.postgres.doctor import server_checks as checks
from jobdeck.store.postgres.doctor.context import CheckContext
from jobdeck.store.postgres.schema import newest_schema

pytestmark = pytest.mark.postgres

OK, WARNING, PROBLEM = Severity.OK, Severity.WARNING, Severity.PROBLEM
KEPT = ("fsync", "full_page_writes")
EXPECTED = {"durability": PROBLEM}
"""The server of the tests is not durable."""


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock) -> Iterator[Bench]:
    with on_server(tmp_path, clock) as made:
        yield made


def look(bench: Bench, *, full: bool = False, **settings: object) -> dict[str, Finding]:
    """Return the findings by check; if a check has several, the last one."""
    found = doctor(database_at(bench.path), settings=Settings(**settings), clock=bench.clock, full=full)  # type: ignore[arg-type]
    for each in found:
        assert bool(each.advice) == (each.severity is not OK), each
        assert each.message.endswith("."), each
    return {each.check: each for each in found}


def severities(bench: Bench, **more: object) -> dict[str, Severity]:
    return {check: each.severity for check, each in look(bench, **more).items() if each.severity is not OK}


def test_a_healthy_queue_has_only_ok_findings_apart_from_the_test_server(bench: Bench) -> None:
    for state in State:
        bench.in_state(state)
    found = look(bench)
    assert {check: each.severity for check, each in found.items() if each.severity is not OK} == EXPECTED
    assert set(found) == {
        *("server", "session", "connections", "durability", "schema", "integrity", "size", "vacuum", "transactions"),
        *("rows", "counters", "leases", "workers", "clock", "orphans", "waits"),
    }
    assert "fsync and full_page_writes off" in found["durability"].message


def test_a_full_check_compares_the_indexes_if_the_server_can(bench: Bench) -> None:
    assert look(bench, full=True)["integrity"].severity is WARNING
    bench.rows("CREATE EXTENSION amcheck")
    try:
        found = look(bench, full=True)["integrity"]
    finally:
        bench.rows("DROP EXTENSION amcheck")
    assert found.severity is OK
    assert "indexes match their tables" in found.message


def test_nothing_is_written(bench: Bench) -> None:
    bench.enqueue()
    count = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_force_next_flush(), pg_stat_user_tables"
    before = bench.rows(count)
    look(bench, full=True)
    assert bench.rows(count) == before


def test_an_unreachable_server_is_a_problem_and_its_password_is_not_shown(tmp_path: Path) -> None:
    (problem,) = doctor(f"postgresql://me:secret@/jobs?host={tmp_path}")
    assert (problem.check, problem.severity) == ("database", PROBLEM)
    assert problem.message.startswith(f"postgresql://me@/jobs?host={tmp_path} cannot be reached: ")
    assert "secret" not in problem.message


def test_an_invalid_url_is_a_problem() -> None:
    (problem,) = doctor("postgresql://host:port:name/x?nonsense=1")
    assert "is not a valid database address" in problem.message
    assert "--db" in problem.advice


def test_a_database_without_a_queue_is_a_problem_and_stays_without(bench: Bench) -> None:
    where = server().url("postgres")
    problem = doctor(where)[-1]
    assert (problem.check, problem.severity) == ("database", PROBLEM)
    assert problem.message.endswith("holds no queue.")
    with psycopg.connect(where) as connection:
        assert connection.execute("SELECT to_regclass('jobdeck_meta')").fetchone() == (None,)


def test_a_newer_schema_is_a_problem_and_stays_unchanged(bench: Bench) -> None:
    bench.change("UPDATE jobdeck_meta SET value = '999' WHERE key = 'schema'")
    try:
        (found,) = doctor(database_at(bench.path))
        assert bench.rows("SELECT value FROM jobdeck_meta WHERE key = 'schema'") == [("999",)]
    finally:
        bench.change("UPDATE jobdeck_meta SET value = '1' WHERE key = 'schema'")
    assert (found.check, found.severity) == ("database", PROBLEM)
    assert "newer jobdeck" in found.message


def test_an_older_schema_is_reported_and_not_upgraded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobdeck.store.postgres.doctor.newest_schema", lambda: newest_schema() + 1)
    found = look(bench)
    assert found["schema"].severity is WARNING
    assert "counters" not in found
    assert bench.rows("SELECT value FROM jobdeck_meta WHERE key = 'schema'") == [(str(newest_schema()),)]


def test_wrong_counters_are_found(bench: Bench) -> None:
    bench.enqueue()
    bench.change("UPDATE jobdeck_stripes SET n = n + 4")
    found = look(bench)["counters"]
    assert found.severity is PROBLEM
    assert "5 pending counted, 1 stored" in found.message


def test_orphaned_rows_are_found(bench: Bench) -> None:
    bench.change("INSERT INTO jobdeck_logs (job_id, attempt, at, level, text) VALUES (99, 1, 0, 'info', 'lost')")
    assert "1 piece of a log without a job" in look(bench)["orphans"].message


def test_an_expired_lease_is_reported_with_advice(bench: Bench) -> None:
    bench.running()
    bench.clock.advance(200)
    found = look(bench)["leases"]
    assert found.severity is WARNING
    assert "ended up to 3 min ago" in found.message


def test_a_silent_worker_is_reported(bench: Bench) -> None:
    info = WorkerInfo(
        id="w1",
        host="here",
        pid=1,
        threads=1,
        queues=(),
        started_at=0.0,
        heartbeat_at=0.0,
        draining=False,
        running=0,
        alive=True,
    )
    bench.store.workers.report(info)
    assert look(bench)["workers"].severity is OK
    bench.clock.advance(100)
    assert "Worker w1 has been silent for 100 s" in look(bench)["workers"].message


def test_times_in_the_future_are_reported(bench: Bench) -> None:
    bench.enqueue()
    bench.clock.jump(-3600)
    assert "60 min in the server's future" in look(bench)["clock"].message


def test_a_clock_that_differs_from_the_servers_is_reported(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    slow = SimpleNamespace(time=lambda: time.time() - 90)
    monkeypatch.setattr("jobdeck.store.postgres.doctor.context.time", slow)
    assert "The server's clock is 90 s ahead of this machine's" in look(bench)["clock"].message


@pytest.mark.parametrize(("synchronous", "severity"), [("FULL", OK), ("NORMAL", WARNING), ("OFF", WARNING)])
def test_the_effective_durability_is_reported(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, synchronous: str, severity: Severity
) -> None:
    told = CheckContext.setting  # as on a server that is not set up for tests
    monkeypatch.setattr(CheckContext, "setting", lambda self, name: "on" if name in KEPT else told(self, name))
    found = look(bench, synchronous=synchronous)["durability"]
    assert (found.severity, synchronous in found.message) == (severity, True)


def test_a_long_open_transaction_is_reported(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_OLD", 0.0)
    with psycopg.connect(database_at(bench.path), application_name="report") as connection:
        connection.execute("SELECT 1")
        found = look(bench)["transactions"]
    assert found.severity is WARNING
    assert "A transaction of report (process " in found.message


def test_scarce_connections_are_reported(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_CROWDED", 0.0)
    assert look(bench)["connections"].severity is WARNING


def test_a_failing_check_does_not_stop_the_others(bench: Bench) -> None:
    bench.rows("ALTER TABLE jobdeck_batches RENAME COLUMN id TO number")
    found = look(bench)
    assert found["orphans"].severity is PROBLEM
    assert "could not be checked" in found["orphans"].message
    assert found["waits"].severity is OK
