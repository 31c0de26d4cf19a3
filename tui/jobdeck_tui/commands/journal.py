"""`jobdeck undo`, `redo` and `journal`: what people did, and taking it back."""

from __future__ import annotations

import time
from collections.abc import Callable

import click

from jobdeck import Act, Queue, Undoing

from ..text.format import age
from ..text.sanitize import safe
from .common import Front, Verb, complain
from .json_documents import act_document
from .output import columns, count_of, on_terminal, print_json
from .table import Cell, Column, cell, print_table

_REASONS = 20
"""Refusals told one by one; of more, the number is told."""
_ACT_ID = click.IntRange(1, 2**63 - 1)


@click.command(
    "undo",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck undo                     what you did last
  jobdeck journal                  what was done, with ids
  jobdeck undo 42                  act 42, whoever did it
""",
)
@click.argument("act", metavar="[ID]", required=False, type=_ACT_ID)
@click.pass_obj
def undo_command(front: Front, act: int | None) -> int:
    """Take back what you did last, or the act with that ID.

    An act is a cancel, retry, change of priority or delete of jobs, a pause or resume of queues, a limit of one, or whatever
    was done to a schedule.

    Jobs that have moved on since are left alone, and the reason is said. A running job that was told to stop has been told.
    """
    return _turn(front, "undo", lambda queue: queue.undo(act, of=None if act else queue.who))


@click.command(
    "redo",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck redo                     what you have undone last
  jobdeck redo 42                  act 42
""",
)
@click.argument("act", metavar="[ID]", required=False, type=_ACT_ID)
@click.pass_obj
def redo_command(front: Front, act: int | None) -> int:
    """Do again what you have undone last, or the undone act with that ID."""
    return _turn(front, "redo", lambda queue: queue.redo(act, of=None if act else queue.who))


@click.command(
    "journal",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck journal
  jobdeck journal --limit 200 --json
""",
)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, metavar="N", help="At most so many.")
@click.pass_obj
def journal_command(front: Front, limit: int) -> None:
    """List what people and programs did to jobs and queues, newest first. It is kept for 30 days, 1,000 acts at most."""
    with front.open(must_exist=True) as queue:
        acts = queue.journal.entries(limit=limit)
    if front.json:
        for act in acts:
            print_json(act_document(act))
        return
    if not acts:
        if on_terminal():
            click.echo("Nothing was done yet that could be undone.")
        return
    heads = (
        Column("ID", right=True),
        Column("AGE", right=True),
        Column("WHO", least=8, drop=1),
        Column("WHAT", least=16),
        Column("UNDONE", least=6, drop=2),
    )
    now = time.time()
    print_table(heads, [_row(act, now) for act in acts], fit=columns())


def _row(act: Act, now: float) -> list[Cell]:
    undone = _undone(act)
    return [
        cell(act.id),
        cell(age(now - act.at)),
        cell(act.who),
        cell(act.told, dim=bool(act.undone)),
        cell(undone + (f" by {act.undone_by}" if undone and act.undone_by not in (None, act.who) else "")),
    ]


def _undone(act: Act) -> str:
    if act.undone >= act.n:
        return "undone"
    if act.undone:
        return f"{act.undone:,} of {act.n:,}"
    return "could not" if act.undone_at is not None else ""


def _turn(front: Front, operation: str, turn: Callable[[Queue], Undoing]) -> int:
    with front.open(must_exist=True, changes=True) as queue:
        undoing = turn(queue)
    refused = {subject: str(problem) for subject, problem in undoing.refused.items()}
    for sentence in [*refused.values()][:_REASONS]:
        complain(sentence)
    noun = "queue" if undoing.act.operation in ("pause", "resume") else "job"
    if len(refused) > _REASONS:
        complain(f"And {count_of(len(refused) - _REASONS, noun)} more could not either.")
    if undoing.beyond:
        complain(f"Of {count_of(undoing.beyond, 'further job')} the journal had no room to keep how they were.")
    if front.json:
        print_json(
            {
                "operation": operation,
                "act": act_document(undoing.act),
                "count": len(undoing.done),
                "ids": [*undoing.done],
                "refused": {str(subject): sentence for subject, sentence in refused.items()},
                "beyond": undoing.beyond,
            }
        )
    elif undoing.done:
        tried = len(undoing.done) + len(refused) + undoing.beyond
        part = "" if len(undoing.done) == tried else f" for {len(undoing.done):,} of {count_of(tried, noun)}"
        click.echo(f"{'Undone' if operation == 'undo' else 'Done again'}{part}: {safe(undoing.act.told)}.")
    return 0 if undoing.done else 1
