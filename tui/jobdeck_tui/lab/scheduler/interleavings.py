"""Every order in which the workers of a lane can take their steps, each tried on the real database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from jobdeck import record

from .board import Board, Schedule
from .programs import Program


@record
class Interleaving:
    """One order of all steps, and what came of it."""

    schedule: Schedule
    double_runs: int
    lost: int
    """The number of jobs that did not run, although a worker was free."""
    proof: Schedule
    """The steps after which a job had run twice; empty if none had."""


@record
class Enumeration:
    """All interleavings of a lane."""

    program: Program
    workers: int
    total: int
    """The number of interleavings that the database allows."""
    bad: int
    """The number of those in which a job ran twice."""
    blocked: int
    """The number of steps that the database refused at their turn."""
    counterexample: Schedule | None
    """The shortest proof of a double run: the fewest steps, then the fewest changes of worker."""


def interleavings(board: Board, on_blocked: Callable[[], None] = lambda: None) -> Iterator[Interleaving]:
    """Yield every interleaving, depth first: a path is followed to its end, then replayed up to the next turn not tried yet."""
    untried: list[list[int]] = []
    board.reset()
    proof: Schedule = ()
    while True:
        while not board.is_done:
            depth = len(board.moves)
            if depth == len(untried):
                untried.append([worker for worker in range(board.workers) if board.next_step(worker) is not None])
            while untried[depth]:
                move = board.step(untried[depth].pop(0), with_rows=False)
                assert move is not None
                if not move.blocked:
                    break
                on_blocked()
            else:
                break  # every worker waits for another one, or all turns were tried
            if move.run_again and not proof:
                proof = board.schedule
        if board.is_done:
            ran = {job for _, job in board.runs}
            lost = min(board.workers, len(board.rows())) - len(ran)
            yield Interleaving(board.schedule, board.double_runs, lost, proof)
        while untried and not untried[-1]:
            untried.pop()
        if not untried:
            return
        board.replay(board.schedule[: len(untried) - 1], with_rows=False)
        if len(proof) > len(board.moves):
            proof = ()


def enumerate_interleavings(
    program: Program,
    folder: Path,
    *,
    workers: int = 2,
    server: str | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Enumeration:
    """Try every interleaving of a lane.

    Args:
        program: what each worker does.
        folder: a scratch folder.
        workers: the number of workers; three have thousands of orders.
        server: the address of a PostgreSQL database, for a lane of it.
        is_stopped: asked after each order whether to end early, with what was found so far.
    """
    blocked = 0

    def count_blocked() -> None:
        nonlocal blocked
        blocked += 1

    total = bad = 0
    best: Schedule | None = None
    with Board(program, folder, workers=workers, server=server) as board:
        for each in interleavings(board, count_blocked):
            total += 1
            bad += each.double_runs > 0
            if each.proof and (best is None or _cost(each.proof) < _cost(best)):
                best = each.proof
            if is_stopped():
                break
    return Enumeration(program, workers, total, bad, blocked, best)


def _cost(schedule: Schedule) -> tuple[int, int, Schedule]:
    changes = sum(one != other for one, other in pairwise(schedule))
    return len(schedule), changes, schedule
