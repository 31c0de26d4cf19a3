"""The act on a PostgreSQL server: two workers that claim with FOR UPDATE, beside two that claim with SKIP LOCKED."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..lab.scheduler.board import Board, Move
from ..lab.scheduler.interleavings import Enumeration, enumerate_interleavings
from ..lab.scheduler.ladder import move_text
from ..lab.scheduler.programs import FOR_UPDATE, SKIP_LOCKED
from ..scratch_folder import scratch_folder
from .picture import ActResult, Line

_LANES = {"FOR UPDATE": FOR_UPDATE, "SKIP LOCKED": SKIP_LOCKED}
_TURNS = (0, 1, 0, 0, 1)
"""Which worker tries its next step: the second one wants a row while the first one holds its row."""
_BEAT = 0.35
"""Seconds between two steps."""
_HEAD, _COLUMN = 14, 18
"""The widths of a step's number and worker, and of a lane."""


def play_row_locks(
    server: str, show: Callable[[Sequence[Line]], None], pause: Callable[[float], None], is_stopped: Callable[[], bool]
) -> ActResult:
    """Play both lanes step by step, each on two jobs, and then try every order of each on one.

    All of it happens in scratch schemas, which are dropped, also if `pause` raises.

    Args:
        server: the address of the database.
        show: shows the audience how far it is.
        pause: waits for some seconds; raises to end the act.
        is_stopped: asked after each order whether to end.

    Raises:
        OSError: the server cannot be used.
    """
    moves: dict[str, list[Move]] = {lane: [] for lane in _LANES}
    found: dict[str, Enumeration] = {}
    with scratch_folder("jobdeck-lab-", "The tour") as folder:
        show([*_picture(moves, found), [], [("connects to the server …", "quiet")]])
        try:
            for lane, program in _LANES.items():
                with Board(program, folder, jobs=2, server=server) as board:
                    for worker in _TURNS:
                        move = board.step(worker)
                        assert move is not None
                        moves[lane].append(move)
                        show(_picture(moves, found))
                        pause(_BEAT)
        except OSError:
            show(_picture(moves, found))  # it no longer connects; the reason follows
            raise
        for lane in _LANES:
            found[lane] = _try_every_order(lane, folder, server, is_stopped)
            pause(0)
            show(_picture(moves, found))
    first, second = (sum(move.blocked for move in each) for each in moves.values())
    text = f"Waits until the second worker had a job: FOR UPDATE {first}, SKIP LOCKED {second}."
    return ActResult(text, _picture(moves, found))


def _try_every_order(lane: str, folder: Path, server: str, is_stopped: Callable[[], bool]) -> Enumeration:
    return enumerate_interleavings(_LANES[lane], folder, server=server, is_stopped=is_stopped)


def _picture(moves: Mapping[str, Sequence[Move]], found: Mapping[str, Enumeration]) -> list[Line]:
    """Return a line for each turn with what came of it in both lanes, then the results of trying every order."""
    lines: list[Line] = [[(" " * _HEAD, ""), *((f"{lane:<{_COLUMN}}", "accent") for lane in _LANES)]]
    for at, worker in enumerate(_TURNS):
        taken = [each[at] if len(each) > at else None for each in moves.values()]
        if any(taken):
            lines.append([(f"{f'{at + 1:>2}  worker {worker + 1}':<{_HEAD}}", "quiet"), *map(_cell, taken)])
    if found:
        lines.append([(f"{'    run twice':<{_HEAD}}", "quiet")])
        for each in found.values():
            mark, meaning = ("✗ ", "error") if each.bad else ("✓ ", "good")
            lines[-1] += [(mark, meaning), (f"{f'{each.bad} of {each.total} orders':<{_COLUMN - 2}}", "")]
    return lines


def _cell(move: Move | None) -> tuple[str, str]:
    if move is None:
        return " " * _COLUMN, ""
    text, meaning = ("waits: locked", "warning") if move.blocked else (move_text(move), "good" if "job" in move.note else "")
    return f"{text:<{_COLUMN}}", meaning
