"""The schema of a queue on a server: created and migrated by hand, by another role than the one that uses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from tests.core.helpers import CLOSES, wait_until
from tests.core.postgres import database_at, server
from tests.tui.cli_runner import CommandLine

from jobdeck import Queue, Registry, Severity, State, StoreRefused, Worker, doctor, schema_sql, schema_version
from jobdeck.kinds.registry import Entry
from jobdeck.store.postgres.schema import newest_schema

pytestmark = pytest.mark.postgres

ROLE = "only_works"


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[str]:
    """Return the address of an empty database for its owner; another role may use its schema, and create nothing."""
    address = database_at(tmp_path)
    with suppress(psycopg.errors.DuplicateObject):
        server().run(f"CREATE ROLE {ROLE} LOGIN")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute(f"CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO {ROLE}")
    yield address
    CLOSES["postgres"](tmp_path)


@pytest.fixture
def worker(owner: str) -> str:
    """Return the address of the same database for the role that may create nothing."""
    return owner.replace("jobdeck@", f"{ROLE}@")


def run(address: str, script: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(script)  # type: ignore[call-overload]


def shape(address: str) -> list[tuple[object, ...]]:
    with psycopg.connect(address) as connection:
        return connection.execute(
            "SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
            " JOIN pg_class ON pg_class.oid = attrelid WHERE relname LIKE 'jobdeck%' AND attnum > 0 ORDER BY 1, attnum"
        ).fetchall()


def test_a_role_that_may_not_create_tables_is_told_what_to_run(worker: str, owner: str, tmp_path: Path) -> None:
    result = CommandLine(tmp_path, address=worker)("run", "--", "true")
    assert result.exit_code == 1
    assert result.output.strip().endswith(
        "has no tables of jobdeck, which this user may not create (permission denied for schema public); as one who may, run"
        " `jobdeck schema migrate`, or what `jobdeck schema sql --from 0` prints."
    )
    assert shape(owner) == []


def test_the_owner_migrates_and_the_other_role_works(worker: str, owner: str) -> None:
    run(owner, schema_sql(owner))
    run(owner, schema_grants())
    known = Registry([Entry("note", lambda: 7)])
    with Queue(worker, registry=known) as queue, Worker(queue, threads=2):
        plain = queue.enqueue("note")
        keyed = queue.enqueue("note", unique="k", after=[plain.id])
        queue.enqueue_bulk("note", [{}] * 3)
        wait_until(lambda: queue.get(keyed.id).state is State.COMPLETED)
        queue.cancel(queue.enqueue("note", delay=60).id)
        queue.maintenance.prune(older_than=0)
        queue.maintenance.repair()
    assert {each.check for each in doctor(worker) if each.severity is Severity.PROBLEM} == {
        "durability"
    }  # of the tests' server


@pytest.mark.parametrize("since", [1, 2])
def test_an_old_schema_that_this_role_may_not_change_names_its_version(worker: str, owner: str, since: int) -> None:
    first, record, _ = schema_sql(owner).partition(
        f"VALUES ('schema', '{since}') ON CONFLICT (key) DO UPDATE SET value = excluded.value;"
    )
    run(owner, f"{first}{record} COMMIT;")  # the printed script, up to this version
    run(owner, schema_grants())
    with pytest.raises(StoreRefused, match=rf"has schema {since}, and jobdeck needs {newest_schema()}, .* --from {since}` "):
        Queue(worker)
    assert schema_version(worker).version == since
    run(owner, schema_sql(owner, since=since))
    found = schema_version(worker)
    assert found.version == found.newest == newest_schema()
    Queue(worker).close()


def test_the_printed_sql_makes_the_tables_that_opening_makes(owner: str, tmp_path: Path) -> None:
    run(owner, schema_sql(owner))
    made = shape(owner)
    other = database_at(tmp_path / "other")
    assert made == shape(other)
    CLOSES["postgres"](tmp_path / "other")


def test_the_printed_sql_of_a_migration_refuses_another_version_and_changes_nothing(owner: str) -> None:
    run(owner, schema_sql(owner))
    before = shape(owner)
    with pytest.raises(psycopg.errors.RaiseException, match=f"the schema of this queue is {newest_schema()}, not 1"):
        run(owner, schema_sql(owner, since=1))
    with pytest.raises(psycopg.errors.DuplicateTable):
        run(owner, schema_sql(owner))
    assert shape(owner) == before


def schema_grants() -> str:
    """Return the statements of the guide that give the role what it needs."""
    page = (Path(__file__).parents[3] / "tui/jobdeck_tui/guide/postgresql.md").read_text()
    block = page.split("```sql\n")[1].split("```")[0]
    return block.replace("TO jobs", f"TO {ROLE}")


def test_an_index_that_was_built_before_the_migration_is_kept(owner: str) -> None:
    """`CREATE INDEX CONCURRENTLY` keeps no process waiting, and cannot be a part of a migration."""
    lane = "CREATE INDEX {} jobdeck_by_lane ON jobdeck_jobs (state, queue, kind, id)"
    number = "SELECT 'jobdeck_by_lane'::regclass::oid"
    run(owner, schema_sql(owner))
    run(owner, "UPDATE jobdeck_meta SET value = '5' WHERE key = 'schema'; DROP INDEX jobdeck_by_lane")
    run(owner, lane.format("CONCURRENTLY"))
    with psycopg.connect(owner, autocommit=True) as connection:
        built = connection.execute(number).fetchone()
        with Queue(owner) as queue:
            assert queue.count() == 0
        assert connection.execute(number).fetchone() == built
    assert schema_version(owner).version == newest_schema()
