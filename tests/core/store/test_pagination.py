"""No page reads or sorts jobs that are not on it, by SQLite's query plans and step counts."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest
from tests.core.helpers import Bench, FakeClock, new, open_sqlite

from jobdeck import parse_filter
from jobdeck.store.queries import runs
from jobdeck.store.queries.pagination import ids_query
from jobdeck.store.sqlite.dialect import SQLITE


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Return a queue of 1,200 jobs: few failed, one rare kind, three queues, a batch."""
    path, clock = tmp_path_factory.mktemp("pages") / "jobs.db", FakeClock()
    bench = Bench(open_sqlite(path, clock), clock, path)
    bench.enqueue(
        *(new(f"kind.{n % 4}", f"queue.{n % 3}") for n in range(1190)), *(new("kind.rare", "queue.0") for _ in range(10))
    )
    for job in bench.claim(1000)[::2]:
        bench.complete(job)
    for job in bench.claim(40):
        bench.fail(job)
    bench.change("UPDATE jobdeck_jobs SET batch = id % 7 WHERE id % 2")
    bench.check_counters()
    yield bench
    bench.store.close()


PAGES = [
    "state:failed",
    "state:failed,running",
    "-state:completed",
    "queue:queue.1",
    "queue:queue.1,queue.2",
    "queue:queue.* state:failed",
    "kind:kind.rare",
    "kind:*.rare -state:running",
    "kind:kind.1,kind.rare",
    "state:completed queue:queue.1 kind:kind.2",
    "batch:3",
    "batch:3,4 state:completed",
    "batch:3 queue:queue.1",
    "id:17,18",
    "state:waiting",
    "queue:none",
]


@pytest.mark.parametrize("text", PAGES)
@pytest.mark.parametrize("descending", [True, False])
def test_a_page_by_id_neither_scans_nor_sorts(filled: Bench, text: str, descending: bool) -> None:
    plan = _plan(filled, text, descending)
    assert not [step for step in plan if "B-TREE" in step], plan
    assert not [step for step in plan if step.startswith("SCAN") and "CONSTANT" not in step], plan


def test_the_newest_page_scans_the_table_from_its_end_and_stops(filled: Bench) -> None:
    assert _plan(filled, "", True) == ["SCAN jobdeck_jobs"]
    assert _steps(filled, "") < 1000  # reading all of them takes many times more


@pytest.mark.parametrize("text", PAGES)
def test_a_page_takes_no_more_steps_than_its_index_has_jobs(filled: Bench, text: str) -> None:
    assert _steps(filled, text) < 4_000  # steps of the virtual machine; a scan of these few jobs takes 11,000


def _plan(bench: Bench, text: str, descending: bool) -> list[str]:
    connection = apsw.Connection(str(bench.path))
    try:
        query, bound = ids_query(connection, SQLITE, parse_filter(text), bench.clock.now(), "id", descending, 50)
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", bound)]
    finally:
        connection.close()


def _steps(bench: Bench, text: str) -> int:
    connection = apsw.Connection(str(bench.path))
    counted = 0

    def count() -> bool:
        nonlocal counted
        counted += 10
        return False

    try:
        query, bound = ids_query(connection, SQLITE, parse_filter(text), bench.clock.now(), "id", True, 50)
        connection.set_progress_handler(count, 10)
        connection.execute(query, bound).fetchall()
        return counted
    finally:
        connection.close()


def test_only_the_lanes_of_the_condition_are_read(filled: Bench) -> None:
    plan = _plan(filled, "state:completed,pending kind:kind.rare queue:queue.0", True)
    lane = "SEARCH jobdeck_jobs USING COVERING INDEX jobdeck_by_lane (state=? AND queue=? AND kind=? AND priority=?)"
    assert [step for step in plan if "jobdeck_jobs" in step] == [lane]


@pytest.fixture(scope="module")
def many_lanes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Return a queue of 1,500 jobs in more lanes and priorities than are planned one by one."""
    path, clock = tmp_path_factory.mktemp("lanes") / "jobs.db", FakeClock()
    bench = Bench(open_sqlite(path, clock), clock, path)
    jobs = bench.enqueue(*(new(f"kind.{n % 7}", f"queue.{n % 11}", priority=n % 3 - 1) for n in range(1500)))
    bench.store.jobs.cancel([job.id for job in jobs[::5]])
    yield bench
    bench.store.close()


LANES = {
    "state:pending": "state = 'pending'",
    "-state:pending": "state <> 'pending'",
    "queue:queue.1": "queue = 'queue.1'",
    "-kind:kind.0 priority>0": "kind <> 'kind.0' AND priority > 0",
    "state:cancelled age<1s": "state = 'cancelled'",
    "state:pending id<40": "state = 'pending' AND id < 40",
    "state:pending id:7,1400": "state = 'pending' AND id IN (7, 1400)",
}
"""Filter → the same in SQL."""


@pytest.mark.parametrize("text", LANES)
@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("limit", [1, 50, None])
def test_a_page_of_many_lanes_is_in_the_order_of_the_ids(
    many_lanes: Bench, text: str, descending: bool, limit: int | None
) -> None:
    order = "DESC" if descending else "ASC"
    expected = many_lanes.rows(f"SELECT id FROM jobdeck_jobs WHERE {LANES[text]} ORDER BY id {order} LIMIT {limit or -1}")

    ids = many_lanes.store.queries.list_ids(parse_filter(text), descending=descending, limit=limit)

    assert [(job_id,) for job_id in ids] == expected


def test_more_lanes_than_can_be_merged_are_read_by_id(many_lanes: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "SCAN jobdeck_jobs" not in _plan(many_lanes, "state:pending", True)
    monkeypatch.setattr(SQLITE, "most_lanes", 200)  # more than its 77 lanes, fewer than their 231 priorities
    assert _plan(many_lanes, "state:pending", True) == ["SCAN jobdeck_jobs"]


def test_the_history_reads_the_front_of_the_ready_jobs_only(filled: Bench) -> None:
    query = runs._by_index(SQLITE, runs._GIVEN_BACK)
    plan = [row[3] for row in filled.rows(f"EXPLAIN QUERY PLAN {query}")]
    assert [step for step in plan if "jobdeck_by_lane" in step], plan
    assert not {"SCAN job", "SCAN jobdeck_jobs"}.intersection(plan), plan
