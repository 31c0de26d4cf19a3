"""`jobdeck errors`."""

from __future__ import annotations

import click

from jobdeck import ErrorGroup

from ..text.format import age, group_filter, number, short_location
from .common import CliContext, Subcommand
from .json_documents import Document, iso
from .output import columns, dim, on_terminal, print_json
from .param_types import WholeNumber
from .table import OutputCell, OutputColumn, cell, print_table

HEADS = (
    OutputColumn("COUNT", right=True),
    OutputColumn("KIND", least=14),
    OutputColumn("ERROR", least=12),
    OutputColumn("WHERE", least=12, drop=3),
    OutputColumn("LAST", right=True),
    OutputColumn("FIRST", right=True, drop=4),
    OutputColumn("JOBS", least=8, drop=2),
    OutputColumn("MESSAGE", least=18, drop=1),
)


@click.command(
    "errors",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck errors
  jobdeck errors --json | jq -r 'select(.count > 10) | .job_ids[0]'
  jobdeck retry --where 'state:failed kind:mail.send exception:TimeoutError' --dry-run
  jobdeck errors --json | jq -r 'select(.count > 10) | .filter' | while read -r filter; do
    jobdeck retry --where "state:failed $filter"; done
""",
)
@click.option(
    "--limit", type=WholeNumber(0), default=20, show_default=True, metavar="N", help="Maximum number of groups; 0 for all."
)
@click.option(
    "--newest",
    type=WholeNumber(1, 1_000_000),
    default=10_000,
    show_default=True,
    metavar="N",
    help="Group the newest N failed attempts only.",
)
@click.pass_obj
def errors_command(front: CliContext, limit: int, newest: int) -> None:
    """Group failures by kind, error, and the line that raised it; of commands by name, exit code and last error line.

    Counts attempts that failed, timed out or crashed, whether or not they were retried. With --json each group
    has the ids of its newest jobs, and a filter for all jobs whose newest failure belongs to it.
    """
    with front.read() as queue:
        groups = queue.history.errors(newest=newest)
        now = queue.clock.now()
    shown = groups[: limit or None]
    if front.json:
        for group in shown:
            print_json(_document(group))
        return
    if shown:
        print_table(HEADS, [_row(group, now) for group in shown], fit=columns())
    elif on_terminal():
        click.echo("No failures.")
    if len(shown) < len(groups) and on_terminal():
        click.echo(dim(f"{len(shown):,} of {len(groups):,} groups; --limit 0 shows all."))


def _document(group: ErrorGroup) -> Document:
    return {
        "kind": group.kind,
        "error_type": group.error_type,
        "place": group.place,
        "count": group.count,
        "first_seen": iso(group.first_seen),
        "last_seen": iso(group.last_seen),
        "message": group.message,
        "job_ids": list(group.job_ids),
        "filter": group_filter(group),
    }


def _row(group: ErrorGroup, now: float) -> list[OutputCell]:
    return [
        cell(number(group.count)),
        cell(group.kind),
        cell(group.error_type, "red"),
        cell(short_location(group.place), dim=True),
        cell(age(now - group.last_seen)),
        cell(age(now - group.first_seen), dim=True),
        cell(" ".join(map(str, group.job_ids))),
        cell(group.message.partition("\n")[0], dim=True),
    ]
