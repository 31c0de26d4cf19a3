"""`jobdeck schedule list`, and the output of one schedule."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ..text.format import age
from ..text.sanitize import safe
from ..text.times import in_zone
from .common import CliContext, Subcommand
from .completers import complete_schedules
from .json_documents import cron_description, schedule_document
from .output import MISSING, columns, on_terminal, print_json
from .table import OutputCell, OutputColumn, cell, print_table

if TYPE_CHECKING:
    from jobdeck import Schedule


@click.command(
    "list",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck schedule list
  jobdeck schedule list nightly --json | jq .next_at
  jobdeck schedule list --json | jq 'select(.error)'
""",
)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete_schedules)
@click.pass_obj
def list_command(front: CliContext, names: tuple[str, ...]) -> None:
    """List schedules with their time in words, next tick and last job.

    STATE is on, paused, or error if the last tick could not enqueue its job; the errors follow the table.
    """
    with front.read() as queue:
        schedules = [queue.schedules.get(name) for name in names] if names else queue.schedules.list()
    if front.json:
        for schedule in schedules:
            print_json(schedule_document(schedule))
        return
    if not schedules:
        if on_terminal():
            click.echo("No schedules; `jobdeck schedule add` creates one.")
        return
    _print(schedules)


def _print(schedules: Sequence[Schedule]) -> None:
    heads = (
        OutputColumn("NAME", least=8),
        OutputColumn("STATE"),
        OutputColumn("CRON", least=16),
        OutputColumn("IN WORDS", least=28, drop=1),
        OutputColumn("NEXT", drop=2),
        OutputColumn("IN", right=True),
        OutputColumn("LAST", right=True),
        OutputColumn("JOB", right=True, drop=3),
        OutputColumn("KIND", least=8, drop=4),
    )
    now = time.time()
    print_table(heads, [_row(schedule, now) for schedule in schedules], fit=columns())
    for schedule in schedules:
        if schedule.error is not None:
            click.echo(click.style(f"{safe(schedule.name)}: {safe(schedule.error)}", fg="red"))


def _row(schedule: Schedule, now: float) -> list[OutputCell]:
    state = (
        cell("paused", "yellow") if schedule.paused else cell("on", "green") if schedule.error is None else cell("error", "red")
    )
    return [
        cell(schedule.name),
        state,
        cell(schedule.cron),
        cell(describe_schedule(schedule)),
        cell(MISSING if schedule.paused else in_zone(schedule.next_at, schedule.timezone)),
        cell(MISSING if schedule.paused else age(schedule.next_at - now)),
        cell(MISSING if schedule.last_at is None else f"{age(now - schedule.last_at)} ago"),
        cell(MISSING if schedule.last_job is None else schedule.last_job),
        cell(schedule.kind),
    ]


def describe_schedule(schedule: Schedule) -> str:
    """Return the time of a schedule in words, with its zone: `At 03:00 every day, Europe/Berlin`."""
    text = cron_description(schedule.cron) or MISSING
    return text if "every" in schedule.cron.lower() else f"{text}, {schedule.timezone}"


def print_schedule(front: CliContext, schedule: Schedule) -> None:
    """Print a schedule after a change: a document with --json, a sentence otherwise."""
    if front.json:
        print_json(schedule_document(schedule))
        return
    next_tick = (
        "paused"
        if schedule.paused
        else f"next {in_zone(schedule.next_at, schedule.timezone)}, in {age(schedule.next_at - time.time())}"
    )
    click.echo(f"Schedule {safe(schedule.name)}: {safe(describe_schedule(schedule))}; {next_tick}.")
