"""`jobdeck prune`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import click

from jobdeck import FINAL, State

from .common import CliContext, Subcommand, print_error
from .output import count_of, print_json
from .param_types import DURATION, WholeNumber
from .progress import ProgressMeter

_STATES = [str(state) for state in State if state in FINAL]


@click.command(
    "prune",
    cls=Subcommand,
    needs_database=True,
    epilog="""\b
Examples:
  jobdeck prune                            apply the retention settings, as workers do every minute
  jobdeck prune --older-than 7d --dry-run
  jobdeck prune --older-than 1h --state completed --state cancelled
  jobdeck prune --keep 10000 --yes
""",
)
@click.option("--older-than", type=DURATION, metavar="AGE", help="Delete jobs that finished longer ago than this: 1h, 7d.")
@click.option("--keep", type=WholeNumber(1), metavar="N", help="Keep at most the newest N jobs of each state.")
@click.option(
    "--state",
    "states",
    type=click.Choice(_STATES),
    multiple=True,
    help="Delete jobs of this state only; repeatable (default: all three).",
)
@click.option("--dry-run", is_flag=True, help="Print how many jobs would be deleted, and delete none.")
@click.option("--yes", is_flag=True, help="Skip the confirmation.")
@click.pass_obj
def prune_command(
    front: CliContext, older_than: float | None, keep: int | None, states: Sequence[str], dry_run: bool, yes: bool
) -> int:
    """Delete old finished jobs with their attempts and logs, oldest first. This cannot be undone.

    Without --older-than and --keep, apply JOBDECK_RETENTION, JOBDECK_RETENTION_FAILED and JOBDECK_RETENTION_COUNT.
    With either, ignore the settings, delete jobs that exceed either bound, and on a terminal ask for confirmation.

    Jobs that others still wait for are kept. The file does not shrink; its free pages are reused.
    """
    chosen = [State(state) for state in dict.fromkeys(states)] or [State(state) for state in _STATES]
    with front.read() if dry_run else front.open(must_exist=True, changes=True) as queue:
        if not dry_run and not yes and (older_than is not None or keep is not None) and sys.stdin.isatty():
            total = sum(queue.maintenance.prune(older_than=older_than, keep=keep, states=chosen, dry_run=True).values())
            if total and not click.confirm(f"Delete {count_of(total)} with their attempts and logs?", err=True):
                print_error("Nothing was deleted.")
                return 1
        with ProgressMeter("Pruning", unit=" jobs") as meter:
            pruned = queue.maintenance.prune(
                older_than=older_than, keep=keep, states=chosen, dry_run=dry_run, progress=None if dry_run else meter
            )
    if front.json:
        counts = {str(state): n for state, n in pruned.items()}
        print_json({"operation": "prune", "dry_run": dry_run, "count": sum(counts.values()), "counts": counts})
    else:
        click.echo(f"{'Would delete' if dry_run else 'Deleted'} {_format_counts(pruned)}.")
    return 0


def _format_counts(pruned: Mapping[State, int]) -> str:
    total = sum(pruned.values())
    parts = ", ".join(f"{n:,} {state}" for state, n in pruned.items() if n)
    return f"{count_of(total)}: {parts}" if total else "no jobs"
