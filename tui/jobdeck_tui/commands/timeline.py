"""`jobdeck timeline`."""

from __future__ import annotations

import time

import click

from jobdeck import Outcome, Run, State

from ..text.event_format import host_of
from ..text.format import COLOURS, duration
from .common import Front, Verb, complain
from .json_documents import run_document
from .output import MISSING, columns, on_terminal, print_json
from .param_types import DURATION
from .table import Cell, Column, cell, print_table

_HEADS = (
    Column("BEGAN"),
    Column("TOOK", right=True),
    Column("OUTCOME"),
    Column("ID", right=True),
    Column("KIND", least=16),
    Column("TRY", right=True, drop=2),
    Column("WORKER", least=10, drop=3),
    Column("ERROR", least=12, drop=1),
)


@click.command(
    "timeline",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck timeline                       what ran in the last 10 minutes
  jobdeck timeline --last 1h --limit 500
  jobdeck timeline --last 24h --json | jq -r 'select(.took > 60).job_id'
""",
)
@click.option("--last", type=DURATION, default=600.0, metavar="TIME", help="How far to look back.  [default: 10m]")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True, metavar="N", help="About so many.")
@click.pass_obj
def timeline_command(front: Front, last: float, limit: int) -> None:
    """List the runs of jobs in a stretch of time up to now, the newest first, those that still run in front.

    Where there are more, it is a sample that is spread over the time, and that is said.
    """
    with front.open(must_exist=True) as queue:
        now = queue.clock.now()
        found = queue.history.runs(now - last, limit=limit)
    if front.json:
        for run in found.runs:
            print_json(run_document(run))
    elif found.runs:
        print_table(_HEADS, [_row(run, found.at) for run in found.runs], fit=columns())
    elif on_terminal():
        click.echo("Nothing ran in this time; --last looks further back.")
    if not found.whole:
        told = sum(run.finished_at is not None for run in found.runs)
        counted = "more than 100,000" if found.ended >= 100_000 else f"{found.ended:,}"
        complain(f"This is a sample: {told:,} of {counted} runs. --limit tells more of them.")


def _row(run: Run, now: float) -> list[Cell]:
    end = now if run.finished_at is None else run.finished_at
    outcome = "running" if run.outcome is None else str(run.outcome)
    state = State.RUNNING if run.outcome is None else _STATES.get(run.outcome, State.CANCELLED)
    if run.failed and run.again:
        state, outcome = State.RETRYING, f"{outcome}, retried"
    return [
        cell(time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started_at))),
        cell(duration(max(0.0, end - run.started_at))),
        cell(outcome, colour=COLOURS[state]),
        cell(run.job_id),
        cell(run.kind),
        cell(f"{run.number}/{run.max_attempts}"),
        cell(host_of(run.worker)),
        cell(run.error or MISSING),
    ]


_STATES = {
    Outcome.COMPLETED: State.COMPLETED,
    Outcome.FAILED: State.FAILED,
    Outcome.TIMED_OUT: State.FAILED,
    Outcome.CRASHED: State.FAILED,
    Outcome.SNOOZED: State.SCHEDULED,
}
