"""`jobdeck schedule`: the group, and the subcommands that take only names of schedules."""

from __future__ import annotations

import time
from importlib import import_module

import click

from ..text.sanitize import safe
from .common import CliContext, Subcommand, SuggestingGroup, common_options, print_error
from .completers import complete_schedules, complete_zones
from .output import print_json
from .param_types import WholeNumber

#: Subcommand → (module, one line for `jobdeck schedule --help`).
SUBCOMMANDS = {
    "list": ("schedule_list", "List schedules with their next tick and last job."),
    "add": ("schedule_edit", "Add a schedule that enqueues a job at every tick."),
    "edit": ("schedule_edit", "Change a schedule: time, arguments, queue, …"),
    "pause": ("schedule", "Pause schedules."),
    "resume": ("schedule", "Resume paused schedules at their next tick."),
    "run": ("schedule", "Enqueue the jobs of schedules now."),
    "delete": ("schedule", "Delete schedules; their jobs stay."),
    "preview": ("schedule", "Explain a cron expression and list its next ticks."),
}


class LazyGroup(SuggestingGroup):
    """Import a subcommand only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*SUBCOMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUBCOMMANDS:
            return None
        command: click.Command = getattr(import_module(f".{SUBCOMMANDS[cmd_name][0]}", __package__), f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, short) for name, (_, short) in SUBCOMMANDS.items()], col_max=12)


@click.group(
    "schedule",
    cls=LazyGroup,
    epilog="""\b
Examples:
  jobdeck schedule add nightly '0 3 * * *' --timezone Europe/Berlin --shell './backup.sh'
  jobdeck schedule add report '0 9 * * MON-FRI' tasks.report to=ann@example.org
  jobdeck schedule add ping 'every 90s' tasks.ping
  jobdeck schedule list
  jobdeck schedule edit nightly --cron '30 4 * * *'
  jobdeck schedule run nightly
  jobdeck schedule preview '*/15 8-17 * * MON-FRI' --timezone local

Any running worker or cockpit enqueues the jobs, even of kinds it does not know. Each tick enqueues exactly
one job. After downtime, missed ticks collapse into one job. List the jobs of a schedule with
`jobdeck list schedule:NAME`.
""",
)
@common_options(cockpit=False)
def schedule_command() -> None:
    """Manage periodic jobs, enqueued at the times of a cron expression."""


_names = click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete_schedules)


@click.command(
    "pause",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck schedule pause nightly
""",
)
@_names
@click.pass_obj
def pause_command(front: CliContext, names: tuple[str, ...]) -> None:
    """Pause schedules. `jobdeck schedule run` still enqueues their jobs."""
    with front.open(must_exist=True, changes=True) as queue:
        for name in names:
            _print_paused(front, name, queue.schedules.pause(name), paused=True)


@click.command(
    "resume",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck schedule resume nightly
""",
)
@_names
@click.pass_obj
def resume_command(front: CliContext, names: tuple[str, ...]) -> None:
    """Resume paused schedules at their next tick. Ticks missed during the pause are skipped."""
    with front.open(must_exist=True, changes=True) as queue:
        for name in names:
            _print_paused(front, name, queue.schedules.resume(name), paused=False)


def _print_paused(front: CliContext, name: str, changed: bool, *, paused: bool) -> None:
    if front.json:
        print_json({"schedule": name, "paused": paused, "changed": changed})
    elif changed:
        click.echo(f"Schedule {safe(name)} {'paused' if paused else 'resumed'}.")
    else:
        click.echo(f"Schedule {safe(name)} was {'already' if paused else 'not'} paused.")


@click.command(
    "run",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck schedule run nightly
  jobdeck wait $(jobdeck schedule run nightly)
""",
)
@_names
@click.pass_obj
def run_command(front: CliContext, names: tuple[str, ...]) -> None:
    """Enqueue the jobs of schedules now and print their ids.

    Paused schedules run too. The next ticks are unchanged.
    """
    from ..text.enqueue_result import EnqueueResult
    from .enqueue import print_enqueued

    with front.open_to_enqueue(must_exist=True) as queue:
        for name in names:
            print_enqueued(front, EnqueueResult(queue.schedules.run(name), new=True))


@click.command(
    "delete",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck schedule delete nightly
""",
)
@_names
@click.pass_obj
def delete_command(front: CliContext, names: tuple[str, ...]) -> int:
    """Delete schedules. The jobs that they enqueued stay."""
    from jobdeck import ScheduleNotFound

    missing = 0
    with front.open(must_exist=True, changes=True) as queue:
        for name in names:
            try:
                queue.schedules.delete(name)
            except ScheduleNotFound as error:
                missing += 1
                print_error(str(error))
            else:
                if front.json:
                    print_json({"schedule": name, "deleted": True})
                else:
                    click.echo(f"Schedule {safe(name)} deleted.")
    return 1 if missing else 0


@click.command(
    "preview",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck schedule preview '0 3 * * *'
  jobdeck schedule preview '0 9 * * MON#1' --timezone America/New_York -n 12
  jobdeck schedule preview 'every 90s' --json
""",
)
@click.argument("cron")
@click.option(
    "--timezone",
    "--tz",
    metavar="ZONE",
    default="UTC",
    shell_complete=complete_zones,
    help="Time zone, such as Europe/Berlin, or local (default UTC).",
)
@click.option("-n", type=WholeNumber(1, 10_000), default=5, show_default=True, metavar="N", help="Number of ticks.")
@click.pass_obj
def preview_command(front: CliContext, cron: str, timezone: str, n: int) -> None:
    """Explain a cron expression in words and list its next ticks. Needs no queue."""
    from jobdeck import explain_cron, local_zone, next_ticks

    from ..text.times import in_zone
    from .json_documents import iso

    zone = local_zone() if timezone == "local" else timezone
    words = explain_cron(cron)
    ticks = next_ticks(cron, zone, after=time.time(), n=n)
    if front.json:
        print_json({"cron": cron, "description": words, "timezone": zone, "ticks": [*map(iso, ticks)]})
        return
    click.echo(f"{safe(words)}, {safe(zone)}")
    for tick in ticks:
        click.echo(f"  {in_zone(tick, zone)}")
