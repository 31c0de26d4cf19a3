"""You are the scheduler: workers advanced by one statement each, every order tried, the worst one drawn."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest

from jobdeck_tui.lab.scheduler.board import Board
from jobdeck_tui.lab.scheduler.interleavings import enumerate_interleavings, interleavings
from jobdeck_tui.lab.scheduler.ladder import ladder
from jobdeck_tui.lab.scheduler.programs import ATOMIC, IMMEDIATE, JOBDECK, NAIVE, PROGRAMS, Program

# -- a model of each lane, which shares nothing with the lab ------------------------------------------------

STEPS = {
    "naive": "select update run",
    "atomic": "take run",
    "immediate": "begin select update commit run",
    "jobdeck": "take run complete",
}


def runs_of(lane: str, order: tuple[int, ...]) -> int | None:
    """How often the only job runs if the workers take their steps in this order; `None` if the lock forbids the order."""
    pending, holder, taken, at, runs = True, None, dict[int, bool](), dict[int, int](), 0
    uncommitted = False
    for worker in order:
        step = STEPS[lane].split()[at.get(worker, 0)]
        at[worker] = at.get(worker, 0) + 1
        if step == "begin":
            if holder is not None:
                return None
            holder = worker
        elif step == "select":
            taken[worker] = pending
        elif step == "update" and taken[worker]:
            if holder is None:
                pending = False
            else:
                uncommitted = True
        elif step == "commit":
            pending, uncommitted, holder = pending and not uncommitted, False, None
        elif step == "take":
            taken[worker], pending = pending, False
        elif step == "run" and taken[worker]:
            runs += 1
    return runs


def model(lane: str, workers: int) -> tuple[int, int]:
    """The number of orders, and of those in which the job runs twice, by trying every permutation."""
    turns = [worker for worker in range(workers) for _ in STEPS[lane].split()]
    outcomes = [runs_of(lane, order) for order in set(permutations(turns))]
    allowed = [runs for runs in outcomes if runs is not None]
    return len(allowed), sum(runs > 1 for runs in allowed)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    with Board(NAIVE, tmp_path) as made:
        yield made


@pytest.mark.parametrize("program", [NAIVE, ATOMIC, JOBDECK], ids=lambda program: program.name)
def test_the_orders_of_two_workers_are_those_of_a_model(program: Program, tmp_path: Path) -> None:
    found = enumerate_interleavings(program, tmp_path)
    assert (found.total, found.bad) == model(program.name, 2)
    assert (found.counterexample is not None) == (found.bad > 0)


def test_naive_workers_run_it_twice_in_twelve_of_twenty_orders_and_atomic_ones_in_none_of_six(tmp_path: Path) -> None:
    naive, atomic = (enumerate_interleavings(program, tmp_path) for program in (NAIVE, ATOMIC))
    assert (naive.bad, naive.total, atomic.bad, atomic.total) == (12, 20, 0, 6)


def test_a_transaction_lets_the_other_worker_wait_at_its_begin(tmp_path: Path) -> None:
    found = enumerate_interleavings(IMMEDIATE, tmp_path)
    assert (found.total, found.bad) == (12, 0)  # the model's permutations of ten steps take too long: 6 for each first one
    assert found.blocked > 0


def test_three_workers_are_tried_in_every_order_too(tmp_path: Path) -> None:
    found = enumerate_interleavings(ATOMIC, tmp_path, workers=3)
    assert (found.total, found.bad) == model("atomic", 3)


def test_each_order_is_tried_once_and_ends_as_the_model_says(board: Board) -> None:
    tried = [(each.schedule, each.double_runs) for each in interleavings(board)]
    assert len({schedule for schedule, _ in tried}) == len(tried)
    for schedule, again in tried:
        assert runs_of("naive", schedule) == 1 + again


def test_the_shortest_counterexample_changes_the_worker_twice_and_can_be_replayed(board: Board, tmp_path: Path) -> None:
    found = enumerate_interleavings(NAIVE, tmp_path)
    assert found.counterexample == (0, 1, 1, 1, 0, 0)
    board.replay(found.counterexample)
    assert board.double_runs == 1
    assert ladder(board.moves, 2, column=18) == [
        "     worker 1          worker 2",
        "  1  SELECT → job 1    │",
        "  2  │                 SELECT → job 1",
        "  3  │                 UPDATE → 1 row",
        "  4  │                 run job 1",
        "  5  UPDATE → 1 row    │",
        "  6  run job 1 ✗ again │",
    ]


def test_a_step_back_is_the_board_before_it(board: Board) -> None:
    board.step(0)
    board.step(0)
    before, runs = board.rows(), list(board.runs)
    board.step(0)
    board.step(1)
    board.back()
    board.back()
    assert (board.schedule, board.rows(), list(board.runs)) == ((0, 0), before, runs)
    step = board.next_step(0)
    assert step is not None
    assert (step.label, board.taken(0), board.taken(1)) == ("run", 1, None)


def test_a_move_shows_the_statement_and_the_rows_before_and_after(board: Board) -> None:
    board.step(1)
    move = board.step(1)
    assert move is not None
    assert move.statements == ("UPDATE jobs SET state = 'running', worker = :worker WHERE id = :job",)
    assert [(row.state, row.worker) for row in (*move.before, *move.after)] == [("pending", ""), ("running", "worker 2")]


def test_a_blocked_step_is_not_taken_and_can_be_tried_again(tmp_path: Path) -> None:
    with Board(IMMEDIATE, tmp_path) as board:
        board.step(0)
        waiting = board.step(1)
        assert waiting is not None
        assert waiting.blocked
        assert board.schedule == (0,)
        for _ in range(3):
            board.step(0)
        assert not (board.step(1) or waiting).blocked


def test_jobdecks_lane_runs_the_claim_of_the_engine(tmp_path: Path) -> None:
    with Board(JOBDECK, tmp_path) as board:
        moves = [board.step(worker) for worker in (0, 1, 0, 1, 0)]
        first, second = moves[:2]
        assert first is not None
        assert second is not None
        assert (first.note, second.note) == ("job 1", "no job")
        assert first.statements[0] == "BEGIN IMMEDIATE"
        assert any(text.startswith("UPDATE jobdeck_jobs SET state = 'running'") for text in first.statements)
        assert [row.state for row in board.rows()] == ["completed"]
        assert board.runs == [(0, 1)]


def test_every_lane_with_as_many_jobs_as_workers_runs_all_of_them_one_after_another(tmp_path: Path) -> None:
    for program in PROGRAMS.values():
        with Board(program, tmp_path, workers=3, jobs=3) as board:
            board.replay(tuple(worker for worker in range(3) for _ in program.steps))
            assert board.is_done
            assert board.runs == [(0, 1), (1, 2), (2, 3)]


# -- a look inside --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=lambda program: program.name)
def test_a_look_inside_a_lane_has_its_statements_their_plans_and_the_same_in_jobdeck(program: Program, tmp_path: Path) -> None:
    with Board(program, tmp_path) as board:
        board.step(0)
        rows = board.rows()
        sections = board.look_inside(tmp_path)
        assert board.rows() == rows, "it changes nothing"
    bad = enumerate_interleavings(program, tmp_path).bad
    assert sections[0].is_atomic == (bad == 0)
    lane = [] if program.is_jobdeck else [each.sql for each in sections[0].statements]
    assert lane == [step.sql for step in program.steps if step.sql]
    statements = [statement for section in sections for statement in section.statements]
    for each in statements:
        assert bool(each.plan) == each.sql.startswith(("SELECT", "UPDATE")), each
    assert not any("backend.py" in each.place for each in statements), "the caller is named, not what passes its statement on"
    claims = [each for each in statements if "UPDATE jobdeck_jobs SET state = 'running'" in each.sql]
    assert [each.place.partition(":")[0] for each in claims] == ["jobdeck/store/sqlite/claim.py"] * (bad == 0)


def test_the_nodes_of_a_plan_are_below_the_one_that_needs_them(tmp_path: Path) -> None:
    with Board(ATOMIC, tmp_path) as board:
        (take,) = board.look_inside(tmp_path)[0].statements
    assert take.plan == ("SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)", "SCALAR SUBQUERY 1", "  SCAN jobs")
