"""Queries that are specific to PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.core.helpers import CLOSES, STORES, Bench, FakeClock, new

from jobdeck import Condition, Term, parse_filter
from jobdeck.model.filter_text import parse_value
from jobdeck.model.metrics import error_place
from jobdeck.store.postgres import PostgresStore
from jobdeck.store.postgres.connection import Connections
from jobdeck.store.postgres.dialect import POSTGRES
from jobdeck.store.queries import runs
from jobdeck.store.queries.pagination import ids_query

pytestmark = pytest.mark.postgres

_FILL = """
INSERT INTO jobdeck_jobs (id, kind, queue, state, priority, args, attempt, max_attempts, created_at, scheduled_at, finished_at,
                          batch)
SELECT n, 'kind.' || n % 4, 'queue.' || n % 3, CASE WHEN n <= 20000 THEN 'completed' ELSE 'pending' END, 0, '{}',
       CASE WHEN n <= 20000 THEN 1 ELSE 0 END, 3, n, n, CASE WHEN n <= 20000 THEN n END, n % 7
  FROM generate_series(1, 22000) AS n
"""
_COUNT = "INSERT INTO jobdeck_stripes SELECT -1, queue, kind, state, count(*) FROM jobdeck_jobs GROUP BY queue, kind, state"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Return a queue of many completed jobs and some ready ones with higher ids."""
    path, clock = tmp_path_factory.mktemp("pages") / "jobs.db", FakeClock()
    bench = Bench(STORES["postgres"](path, clock), clock, path)
    for statement in (_FILL, _COUNT, "ANALYZE jobdeck_jobs"):
        bench.change(statement)
    yield bench
    bench.store.close()
    CLOSES["postgres"](path)


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Iterator[Bench]:
    path, clock = request.getfixturevalue("tmp_path") / "jobs.db", FakeClock()
    bench = Bench(STORES["postgres"](path, clock), clock, path)
    yield bench
    bench.store.close()
    CLOSES["postgres"](path)


def connections(bench: Bench) -> Connections:
    assert isinstance(bench.store, PostgresStore)
    return bench.store._connections


_LANES = {
    "queue:queue.1": "queue = 'queue.1'",
    "kind:kind.3": "kind = 'kind.3'",
    "kind:kind.3 state:pending": "kind = 'kind.3' AND state = 'pending'",
    "-kind:kind.0": "kind <> 'kind.0'",
    "queue:queue.1,queue.2 kind:kind.2": "queue IN ('queue.1', 'queue.2') AND kind = 'kind.2'",
}
"""Filter → the same in SQL. The last but one has more lanes than are planned one by one."""


@pytest.mark.parametrize(
    "text", ["state:pending", "state:pending,failed", "-state:completed", "batch:3 state:pending", *_LANES]
)
@pytest.mark.parametrize("descending", [True, False])
def test_a_page_of_a_state_or_queue_or_kind_reads_no_other_jobs(filled: Bench, text: str, descending: bool) -> None:
    with connections(filled).read_transaction() as session:
        query, bound = ids_query(session, POSTGRES, parse_filter(text), 0.0, "id", descending, 50)
        plan = [row[0] for row in session.execute(f"EXPLAIN (ANALYZE) {query}", bound)]
    removed = [int(line.split(":")[1]) for line in plan if "Rows Removed" in line]
    assert sum(removed) < 1000, plan
    assert not [line for line in plan if "Seq Scan" in line], plan


@pytest.mark.parametrize("text", _LANES)
@pytest.mark.parametrize("descending", [True, False])
def test_a_page_of_many_lanes_is_in_the_order_of_the_ids(filled: Bench, text: str, descending: bool) -> None:
    order = "DESC" if descending else "ASC"
    expected = filled.rows(f"SELECT id FROM jobdeck_jobs WHERE {_LANES[text]} ORDER BY id {order} LIMIT 200")

    ids = filled.store.queries.list_ids(parse_filter(text), descending=descending, limit=200)

    assert [(job_id,) for job_id in ids] == expected


def test_the_history_reads_no_ready_jobs(filled: Bench) -> None:
    with connections(filled).read_transaction() as session:
        query = runs._by_index(POSTGRES, runs._GIVEN_BACK)
        plan = [row[0] for row in session.execute(f"EXPLAIN (ANALYZE) {query}")]
    assert [line for line in plan if "jobdeck_by_lane" in line], plan
    assert not [line for line in plan if "jobs_pkey" in line or "Seq Scan on jobdeck_jobs" in line], plan


def test_a_nul_in_arguments_and_tags_is_found(store: Bench) -> None:
    (job, _) = store.enqueue(new(args_json='{"a": "x\\u0000y\\u0001"}', tags=("t\0",)), new(args_json='{"a": "x\\\\u0000y"}'))
    for field, value in (("args.a", "x\0y\x01"), ("args.a", parse_value("x\0*")), ("tag", "t\0"), ("tag", parse_value("*\0"))):
        assert list(store.store.queries.list_ids(Condition((Term(field, ":", (value,)),)))) == [job.id], (field, value)


@pytest.mark.parametrize(
    "traceback",
    [
        None,
        "",
        "ValueError: no",
        'Traceback\n  File "a.py", line 3, in f\n    x\n  File "b c.py", line 41, in <module>\nValueError: "File"\n',
        '  | File "a.py", line 3, in f\n  |   x\n',
        '  File "a.py", line 3\n    x y\nSyntaxError: no\n',
        '  File "a", line 1, in "b", line 2, in c\n',
        '  File "a.py", line 3, in f\n' + "x" * 30_000,
        "x" * 30_000 + '\n  File "a.py", line 3, in f\n',
    ],
)
def test_the_server_computes_the_place_of_a_failure_as_jobdeck_does(store: Bench, traceback: str | None) -> None:
    assert store.rows("SELECT jobdeck_place(?)", traceback) == [(error_place(traceback),)]


def test_the_version_changes_with_every_write(store: Bench) -> None:
    looked = store.store
    assert isinstance(looked, PostgresStore)
    other = store.open_again()
    # The server itself may write in between, which changes the version, too.
    assert any(looked.version() == looked.version() != None for _ in range(20))  # noqa: E711
    for act in (lambda: other.enqueuer.enqueue([new()]), lambda: store.claim(1), lambda: other.queues.pause("mail")):
        before = looked.version()
        act()
        assert looked.version() != before
    with looked.transaction():
        assert looked.version() is None
    other.close()
