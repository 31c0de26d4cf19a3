"""`jobdeck undo`, `redo` and `journal`."""

from __future__ import annotations

import time
from collections.abc import Callable

import click

from jobdeck import JournalEntry, Queue, UndoResult

from ..text.format import age
from ..text.sanitize import safe
from .common import CliContext, Subcommand, print_error
from .json_documents import journal_document
from .output import columns, count_of, on_terminal, print_json
from .param_types import ENTRY_ID, WholeNumber
from .table import OutputCell, OutputColumn, cell, print_table

_REASONS = 20
"""Refusals printed one by one; the rest are counted."""
_PAST = {"undo": "undone", "redo": "redone"}


@click.command(
    "undo",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck undo                     undo your last action
  jobdeck journal                  list actions with their ids
  jobdeck undo 42                  undo action 42, even another user's
""",
)
@click.argument("entry_id", metavar="[ID]", required=False, type=ENTRY_ID)
@click.pass_obj
def undo_command(front: CliContext, entry_id: int | None) -> int:
    """Undo your last action, or the action with this ID from the journal.

    Actions are: cancel, retry, edit, reprioritize or delete jobs; pause, resume or limit queues; change schedules.

    Jobs that have changed since are skipped, with the reason. Cancelling a running job cannot be undone.
    """
    return _undo_or_redo(front, "undo", lambda queue: queue.journal.undo(entry_id, of=None if entry_id else queue.actor))


@click.command(
    "redo",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck redo                     redo the action you undid last
  jobdeck redo 42                  redo action 42
""",
)
@click.argument("entry_id", metavar="[ID]", required=False, type=ENTRY_ID)
@click.pass_obj
def redo_command(front: CliContext, entry_id: int | None) -> int:
    """Redo the action you undid last, or the undone action with this ID."""
    return _undo_or_redo(front, "redo", lambda queue: queue.journal.redo(entry_id, of=None if entry_id else queue.actor))


@click.command(
    "journal",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck journal
  jobdeck journal --limit 200 --json
""",
)
@click.option(
    "--limit", type=WholeNumber(1, 1000), default=20, show_default=True, metavar="N", help="Maximum number of entries."
)
@click.pass_obj
def journal_command(front: CliContext, limit: int) -> None:
    """List the actions of people and programs on jobs, queues and schedules, newest first.

    The journal keeps 30 days and at most 1,000 entries.
    """
    with front.read() as queue:
        entries = queue.journal.entries(limit=limit)
    if front.json:
        for entry in entries:
            print_json(journal_document(entry))
        return
    if not entries:
        if on_terminal():
            click.echo("The journal is empty.")
        return
    heads = (
        OutputColumn("ID", right=True),
        OutputColumn("AGE", right=True),
        OutputColumn("ACTOR", least=8, drop=1),
        OutputColumn("ACTION", least=16),
        OutputColumn("UNDONE", least=6, drop=2),
    )
    now = time.time()
    print_table(heads, [_row(entry, now) for entry in entries], fit=columns())


def _row(entry: JournalEntry, now: float) -> list[OutputCell]:
    undone = _undone(entry)
    return [
        cell(entry.id),
        cell(age(now - entry.at)),
        cell(entry.actor),
        cell(entry.summary, dim=bool(entry.undone)),
        cell(undone + (f" by {entry.undone_by}" if undone and entry.undone_by not in (None, entry.actor) else "")),
    ]


def _undone(entry: JournalEntry) -> str:
    if entry.undone >= entry.n:
        return "undone"
    if entry.undone:
        return f"{entry.undone:,} of {entry.n:,}"
    return "failed" if entry.undone_at is not None else ""


def _undo_or_redo(front: CliContext, operation: str, apply: Callable[[Queue], UndoResult]) -> int:
    with front.open(must_exist=True, changes=True) as queue:
        undone = apply(queue)
    refused = {subject: str(problem) for subject, problem in undone.refused.items()}
    for sentence in [*refused.values()][:_REASONS]:
        print_error(sentence)
    noun = "queue" if undone.entry.operation in ("pause", "resume") else "job"
    if len(refused) > _REASONS:
        print_error(f"{count_of(len(refused) - _REASONS, f'more {noun}')} could not be {_PAST[operation]}.")
    if undone.not_recorded:
        print_error(
            f"{count_of(undone.not_recorded, 'more job')} exceeded the journal's size limit and cannot be {_PAST[operation]}."
        )
    if front.json:
        print_json(
            {
                "operation": operation,
                "entry": journal_document(undone.entry),
                "count": len(undone.done),
                "ids": [*undone.done],
                "refused": {str(subject): sentence for subject, sentence in refused.items()},
                "not_recorded": undone.not_recorded,
            }
        )
    elif undone.done:
        tried = len(undone.done) + len(refused) + undone.not_recorded
        part = "" if len(undone.done) == tried else f" for {len(undone.done):,} of {count_of(tried, noun)}"
        click.echo(f"{_PAST[operation].capitalize()}{part}: {safe(undone.entry.summary)}.")
    return 0 if undone.done else 1
