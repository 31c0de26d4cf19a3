"""The board on a PostgreSQL server: READ COMMITTED, row locks, and a scratch schema that is dropped."""

from __future__ import annotations

import queue
from itertools import permutations
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.core.postgres import Server

from jobdeck_tui.lab.catalog import run_experiment
from jobdeck_tui.lab.scheduler.board import Board
from jobdeck_tui.lab.scheduler.interleavings import enumerate_interleavings
from jobdeck_tui.lab.scheduler.postgres_table import PREFIX
from jobdeck_tui.lab.scheduler.programs import FOR_UPDATE, READ_COMMITTED, SKIP_LOCKED, Program, programs_for, server_of
from jobdeck_tui.lab.scheduler.session import BoardPicture, SchedulerSession

pytestmark = pytest.mark.postgres


@pytest.fixture
def url(server: Server) -> str:
    return server.url("postgres")


ROOT = Path(__file__).parents[3]


def schemas(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE %s", (f"{PREFIX}%",)).fetchall()
    return [name for (name,) in found]


def runs_of(lock: str, order: tuple[int, ...]) -> int | None:
    """How often the only job runs in this order, by a model of row locks; `None` if a step would have to wait."""
    pending, holder, runs = True, None, 0
    taken, at, wrote = dict[int, bool](), dict[int, int](), set[int]()
    for worker in order:
        step = ("select", "update", "commit", "run")[at.get(worker, 0)]
        at[worker] = at.get(worker, 0) + 1
        locked = holder not in (None, worker)
        if step == "select":
            if lock == "wait" and locked and pending:
                return None
            taken[worker] = pending and not (lock == "skip" and locked)
            if lock and taken[worker]:
                holder = worker
        elif step == "update" and taken[worker]:
            if locked:
                return None
            holder = worker
            wrote.add(worker)
        elif step == "commit":
            if holder == worker:
                holder = None
            pending = pending and worker not in wrote
        elif step == "run":
            runs += taken[worker]
    return runs


@pytest.mark.parametrize(
    ("program", "lock"),
    [(READ_COMMITTED, ""), (FOR_UPDATE, "wait"), (SKIP_LOCKED, "skip")],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_orders_of_two_workers_are_those_of_a_model(program: Program, lock: str, url: str, tmp_path: Path) -> None:
    found = enumerate_interleavings(program, tmp_path, server=url)
    outcomes = [runs_of(lock, order) for order in set(permutations([0, 1] * 4))]
    allowed = [runs for runs in outcomes if runs is not None]
    assert (found.total, found.bad) == (len(allowed), sum(runs > 1 for runs in allowed))
    page = (ROOT / "tui" / "jobdeck_tui" / "guide" / "lab.md").read_text()
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{program.name}` |")]
    assert row.endswith(f"| {found.total} | {found.bad} |")
    assert schemas(url) == []


def test_a_step_that_would_wait_for_a_lock_is_shown_as_waiting_and_taken_later(url: str, tmp_path: Path) -> None:
    with Board(READ_COMMITTED, tmp_path, server=url) as board:
        for worker in (0, 1, 0):
            board.step(worker)
        waiting = board.step(1)
        assert waiting is not None
        assert (waiting.blocked, waiting.note) == (True, "waits: the row is locked")
        for worker in (0, 1, 1, 0, 1):
            assert not (board.step(worker) or waiting).blocked
        assert (board.is_done, board.double_runs) == (True, 1)
        assert len(schemas(url)) == 1
    assert schemas(url) == []


def test_the_users_own_tables_stay_and_what_a_killed_lab_left_is_dropped(url: str, tmp_path: Path) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE jobs (id integer); INSERT INTO jobs VALUES (7)")
        connection.execute(f"CREATE SCHEMA {PREFIX}dead")
    report = run_experiment("scheduler", seed=7, server=url)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT id FROM jobs").fetchall() == [(7,)]
        connection.execute("DROP TABLE jobs")
    assert schemas(url) == []
    bad = {each.lane: each.value for each in report.findings.verdicts}
    assert (bad["naive"], bad["pg-plain"] > 0, bad["pg-lock"], bad["pg-skip"]) == (12, True, 0, 0)
    assert not report.is_broken


@pytest.mark.parametrize("program", [READ_COMMITTED, FOR_UPDATE, SKIP_LOCKED], ids=lambda program: program.name)
def test_a_look_inside_has_the_plans_of_the_server_and_the_claim_of_jobdeck(program: Program, url: str, tmp_path: Path) -> None:
    with Board(program, tmp_path, server=url) as board:
        board.step(0)
        rows = board.rows()
        for _ in range(2):
            sections = board.look_inside(tmp_path)
        assert board.rows() == rows, "it changes nothing"
        assert len(schemas(url)) == 1
    assert schemas(url) == []
    lane = sections[0]
    assert lane.is_atomic == (program is not READ_COMMITTED)
    assert [each.sql for each in lane.statements] == [step.sql for step in program.steps if step.sql]
    select, update, commit = (each.plan for each in lane.statements)
    assert (select[0], update[0], commit) == ("Limit", "Update on jobs", ())
    assert any("LockRows" in node for node in select) == lane.is_atomic
    if not lane.is_atomic:
        assert len(sections) == 1
        return
    (claim,) = sections[1].statements
    assert "FOR UPDATE SKIP LOCKED" in claim.sql
    assert any("Index Scan using jobdeck_ready on jobdeck_jobs" in node for node in claim.plan)
    name, _, line = claim.place.partition(":")
    assert name == "jobdeck/store/postgres/claim.py"
    assert "execute" in (ROOT / "core" / name).read_text().splitlines()[int(line) - 1]


def test_a_server_that_takes_no_options_is_played_on_without_the_plan_of_jobdeck(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "jobdeck_tui.lab.scheduler.postgres_inside.in_schema", lambda url, schema: f"{url}&options=-cnothing%3D1"
    )
    with Board(SKIP_LOCKED, tmp_path, server=url) as board:
        sections = board.look_inside(tmp_path)
        assert "Its plan is not available" in sections[1].why
        assert sections[1].statements == ()
        assert board.step(0) is not None
    assert schemas(url) == []


def test_the_board_of_a_screen_has_lanes_of_the_server_and_says_if_it_is_away(url: str) -> None:
    assert list(programs_for(server_of(url)))[-3:] == ["pg-plain", "pg-lock", "pg-skip"]
    assert server_of("jobs.db") is None
    assert "pg-skip" not in programs_for(None)
    pictures: queue.Queue[BoardPicture] = queue.Queue()

    def play(server: str) -> Any:
        session = SchedulerSession(pictures.put, server=server)
        pictures.get(timeout=30)
        session.next_lane(-1)
        picture = pictures.get(timeout=30)
        session.close()
        return picture

    assert play(url).program is SKIP_LOCKED
    assert schemas(url) == []
    assert "cannot use the PostgreSQL server" in play("postgresql:///nothing?host=/nowhere").problem
