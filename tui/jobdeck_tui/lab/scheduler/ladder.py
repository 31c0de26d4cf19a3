"""A schedule drawn as a ladder: one column for each worker, time runs downward."""

from __future__ import annotations

from collections.abc import Sequence

from .board import Move

_RAIL = "│"


def ladder(moves: Sequence[Move], workers: int, *, column: int = 22) -> list[str]:
    """Draw the steps that were taken.

    Args:
        moves: the steps.
        workers: the number of workers.
        column: the width of a worker's column.
    """
    lines = ["     " + "".join(f"worker {worker + 1}".ljust(column) for worker in range(workers)).rstrip()]
    for number, move in enumerate(moves, start=1):
        cells = [(move_text(move) if worker == move.worker else _RAIL).ljust(column) for worker in range(workers)]
        lines.append(f"{number:>3}  {''.join(cells)}".rstrip())
    return lines


def move_text(move: Move) -> str:
    """Return a step and what came of it: `SELECT → job 1`, `run job 1 ✗ again`."""
    if move.step.label == "run":
        return move.note if move.note.startswith("nothing") else f"run {move.note}{' ✗ again' if move.run_again else ''}"
    return f"{move.step.label} → {move.note}" if move.note else move.step.label
