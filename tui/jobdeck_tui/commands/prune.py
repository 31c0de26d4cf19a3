"""`jobdeck prune`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import click

from jobdeck import FINAL, State

from .common import Front, Verb, complain
from .output import count_of, print_json
from .param_types import DURATION
from .progress import Meter

_STATES = [str(state) for state in State if state in FINAL]


@click.command(
    "prune",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck prune                            as the settings say, and as workers do every minute
  jobdeck prune --older-than 7d --dry-run
  jobdeck prune --older-than 1h --state completed --state cancelled
  jobdeck prune --keep 10000 --yes
""",
)
@click.option("--older-than", type=DURATION, metavar="AGE", help="Remove what became final longer ago than this.")
@click.option("--keep", type=click.IntRange(1), metavar="N", help="Keep the newest N of each state at most.")
@click.option(
    "--state", "states", type=click.Choice(_STATES), multiple=True, help="Only this state; may be given several times."
)
@click.option("--dry-run", is_flag=True, help="Only say how many jobs it would be.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def prune_command(
    front: Front, older_than: float | None, keep: int | None, states: Sequence[str], dry_run: bool, yes: bool
) -> int:
    """Remove old final jobs with their attempts and logs, the oldest first. This cannot be undone.

    Without --older-than and --keep the settings decide: JOBDECK_RETENTION, JOBDECK_RETENTION_FAILED and
    JOBDECK_KEEP. With them, only they do; a job goes when either says so. On a terminal it asks then.

    Jobs that others still wait for stay. The file does not become smaller: the room is used again.
    """
    chosen = [State(state) for state in dict.fromkeys(states)] or [State(state) for state in _STATES]
    with front.open(must_exist=True, changes=not dry_run) as queue:
        if not dry_run and not yes and (older_than is not None or keep is not None) and sys.stdin.isatty():
            total = sum(queue.maintenance.prune(older_than=older_than, keep=keep, states=chosen, dry_run=True).values())
            if total and not click.confirm(f"Remove {count_of(total)} with their attempts and logs?", err=True):
                complain("Nothing was removed.")
                return 1
        with Meter("Pruning", unit=" jobs") as meter:
            pruned = queue.maintenance.prune(
                older_than=older_than, keep=keep, states=chosen, dry_run=dry_run, progress=None if dry_run else meter
            )
    if front.json:
        counts = {str(state): n for state, n in pruned.items()}
        print_json({"operation": "prune", "dry_run": dry_run, "count": sum(counts.values()), "counts": counts})
    else:
        click.echo(f"{'Would remove' if dry_run else 'Removed'} {_listed(pruned)}.")
    return 0


def _listed(pruned: Mapping[State, int]) -> str:
    total = sum(pruned.values())
    parts = ", ".join(f"{n:,} {state}" for state, n in pruned.items() if n)
    return f"{count_of(total)}: {parts}" if total else "no jobs"
