"""Every order in which two workers can take their steps: how many run a job twice, lane by lane."""

from __future__ import annotations

from ..audit import Verdict
from ..scheduler.board import Board
from ..scheduler.interleavings import Enumeration, enumerate_interleavings
from ..scheduler.ladder import ladder
from ..scheduler.programs import NAIVE, programs_for
from ..stage import Figure, Findings, Stage

_COUNTED = (
    "each order tried on the real database; runs counted from the ledger that the runs append to: more than one line for a job"
)


def run(stage: Stage, *, workers: int = 2, server: str | None = None) -> Findings:
    """Enumerate the interleavings of each lane.

    Args:
        stage: the stage.
        workers: the number of workers.
        server: the address of a PostgreSQL database, for the lanes of it; they play in a scratch schema.
    """
    verdicts, figures, drawing = [], [], []
    programs = programs_for(server)
    for program in programs.values():
        stage.pause(0)
        found = enumerate_interleavings(program, stage.folder, workers=workers, server=server)
        stage.report(program.name, f"{found.bad} of {found.total} orders run the job twice")
        stage.show(program.name, orders=found.total, twice=found.bad)
        verdicts.append(_verdict(found))
        figures.append(Figure(program.name, "orders", found.total))
        if found.blocked:
            figures.append(Figure(program.name, "steps that had to wait", found.blocked))
        if program is NAIVE and found.counterexample is not None:
            with Board(program, stage.folder, workers=workers) as board:
                board.replay(found.counterexample)
                drawing = ladder(board.moves, workers)
    notes = [f"{program.name}: {program.claim}" for program in programs.values()]
    return Findings(verdicts, figures, notes, drawing)


def _verdict(found: Enumeration) -> Verdict:
    program = found.program
    claim = f"of {found.total} orders run a job twice"
    return Verdict(program.name, claim, found.bad, "0", found.bad == 0, program.is_jobdeck, _COUNTED)
