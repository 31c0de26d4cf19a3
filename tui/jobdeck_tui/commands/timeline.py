"""`jobdeck timeline`."""

from __future__ import annotations

import time

import click

from jobdeck import Outcome, Run, State

from ..text.event_format import host_of
from ..text.format import COLORS, duration
from .common import CliContext, Subcommand, print_error
from .json_documents import run_document
from .output import MISSING, columns, on_terminal, print_json
from .param_types import DURATION, WholeNumber
from .table import OutputCell, OutputColumn, cell, print_table

_HEADS = (
    OutputColumn("STARTED"),
    OutputColumn("TOOK", right=True),
    OutputColumn("OUTCOME"),
    OutputColumn("ID", right=True),
    OutputColumn("KIND", least=16),
    OutputColumn("TRY", right=True, drop=2),
    OutputColumn("WORKER", least=10, drop=3),
    OutputColumn("ERROR", least=12, drop=1),
)


@click.command(
    "timeline",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck timeline                       list the runs of the last 10 minutes
  jobdeck timeline --last 1h --limit 500
  jobdeck timeline --last 24h --json | jq -r 'select(.took > 60).job_id'
""",
)
@click.option(
    "--last", type=DURATION, default=600.0, metavar="DURATION", help="Time range up to now: 10m, 24h.  [default: 10m]"
)
@click.option(
    "--limit",
    type=WholeNumber(1, 100_000),
    default=1000,
    show_default=True,
    metavar="N",
    help="Approximate maximum number of runs.",
)
@click.pass_obj
def timeline_command(front: CliContext, last: float, limit: int) -> None:
    """List recent runs: those still running first, then newest first.

    If there are more than --limit, the list is a sample spread over the range, and a note says so.
    """
    with front.read() as queue:
        now = queue.clock.now()
        found = queue.history.runs(now - last, limit=limit)
    if front.json:
        for run in found.runs:
            print_json(run_document(run))
    elif found.runs:
        print_table(_HEADS, [_row(run, found.at) for run in found.runs], fit=columns())
    elif on_terminal():
        click.echo("No runs in this range; extend it with --last.")
    if not found.is_complete:
        shown = sum(run.finished_at is not None for run in found.runs)
        counted = "more than 100,000" if found.ended >= 100_000 else f"{found.ended:,}"
        print_error(f"Sample of {shown:,} of {counted} runs; raise --limit to see more.")


def _row(run: Run, now: float) -> list[OutputCell]:
    end = now if run.finished_at is None else run.finished_at
    outcome = "running" if run.outcome is None else str(run.outcome)
    state = State.RUNNING if run.outcome is None else _STATES.get(run.outcome, State.CANCELLED)
    if run.failed and run.superseded:
        state, outcome = State.RETRYING, f"{outcome}, retried"
    return [
        cell(time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started_at))),
        cell(duration(max(0.0, end - run.started_at))),
        cell(outcome, color=COLORS[state]),
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
