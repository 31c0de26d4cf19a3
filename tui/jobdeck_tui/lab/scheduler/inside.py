"""A look inside a lane: its statements with their query plans, why they are atomic or not, and the same in jobdeck."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..inside import Section, Statement
from .programs import Program, StepKind
from .tables import LaneTable


def look_inside(program: Program, table: LaneTable, folder: Path) -> tuple[Section, ...]:
    """Return what a worker of a lane does in the database; then, for an atomic lane, what jobdeck does.

    Args:
        program: the lane.
        table: its database, which is asked for the plans; nothing in its jobs changes.
        folder: a scratch folder, for a queue of jobdeck.
    """
    own = tuple(
        Statement(step.sql, table.plan(step.sql), f"step {number}", "")
        for number, step in enumerate(program.steps, start=1)
        if step.kind is StepKind.SQL
    )
    in_jobdeck = [table.record(operation, folder) for operation in program.in_jobdeck]
    if not own:
        return tuple(replace(each, is_atomic=program.is_atomic) for each in in_jobdeck)
    lane = Section(program.title, program.why, own, program.is_atomic)
    return (lane, *(replace(each, title=f"the same in jobdeck: {each.title}", is_atomic=None) for each in in_jobdeck))
