"""`jobdeck schedule`: the group of its subcommands, and those that take a schedule's name and no more."""

from __future__ import annotations

import time
from importlib import import_module

import click

from ..text.sanitize import safe
from .common import Front, Verb, complain, front_options
from .completers import complete_schedules, complete_zones
from .output import print_json

#: Subcommand → (module that holds it, what `jobdeck schedule --help` says of it).
PARTS = {
    "list": ("schedule_list", "List the schedules: when, next, last, paused."),
    "add": ("schedule_edit", "Enqueue a job at every tick from now on."),
    "edit": ("schedule_edit", "Change its time, arguments, queue, …"),
    "pause": ("schedule", "Let schedules enqueue nothing more."),
    "resume": ("schedule", "Let them go on with the next tick."),
    "run": ("schedule", "Enqueue their jobs now, besides the ticks."),
    "delete": ("schedule", "Forget schedules; their jobs stay."),
    "preview": ("schedule", "Say what an expression means, and its next ticks."),
}


class Parts(click.Group):
    """Imports a subcommand when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*PARTS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in PARTS:
            return None
        command: click.Command = getattr(import_module(f".{PARTS[cmd_name][0]}", __package__), f"{cmd_name}_part")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, short) for name, (_, short) in PARTS.items()], col_max=12)


@click.group(
    "schedule",
    cls=Parts,
    epilog="""\b
Examples:
  jobdeck schedule add nightly '0 3 * * *' --timezone Europe/Berlin --shell './backup.sh'
  jobdeck schedule add report '0 9 * * MON-FRI' tasks.report to=ann@example.org
  jobdeck schedule add ping 'every 90s' tasks.ping
  jobdeck schedule list
  jobdeck schedule edit nightly --cron '30 4 * * *'
  jobdeck schedule run nightly
  jobdeck schedule preview '*/15 8-17 * * MON-FRI' --timezone local

Any running worker or cockpit enqueues at each tick; it need not know the kind. Each tick enqueues once, however
many there are; of ticks missed while none was running, one is made up for. `jobdeck list schedule:NAME`
shows the jobs of a schedule.
""",
)
@front_options(cockpit=False)
def schedule_command() -> None:
    """Enqueue jobs again and again, at times given by a cron expression."""


_names = click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete_schedules)


@click.command(
    "pause",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck schedule pause nightly
""",
)
@_names
@click.pass_obj
def pause_part(front: Front, names: tuple[str, ...]) -> None:
    """Let schedules enqueue nothing more. `jobdeck schedule run` still does."""
    with front.open(must_exist=True, changes=True) as queue:
        for name in names:
            _tell(front, name, queue.schedules.pause(name), paused=True)


@click.command(
    "resume",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck schedule resume nightly
""",
)
@_names
@click.pass_obj
def resume_part(front: Front, names: tuple[str, ...]) -> None:
    """Let schedules go on with the next tick. Those missed in the pause are not made up for."""
    with front.open(must_exist=True, changes=True) as queue:
        for name in names:
            _tell(front, name, queue.schedules.resume(name), paused=False)


def _tell(front: Front, name: str, changed: bool, *, paused: bool) -> None:
    if front.json:
        print_json({"schedule": name, "paused": paused, "changed": changed})
    elif changed:
        click.echo(f"Schedule {safe(name)} is {'paused' if paused else 'on again'}.")
    else:
        click.echo(f"Schedule {safe(name)} was {'paused already' if paused else 'not paused'}.")


@click.command(
    "run",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck schedule run nightly
  jobdeck wait $(jobdeck schedule run nightly)
""",
)
@_names
@click.pass_obj
def run_part(front: Front, names: tuple[str, ...]) -> None:
    """Enqueue the jobs of schedules now, and print their ids. Works for paused ones too; no tick changes."""
    from ..text.enqueue_result import Arrival
    from .enqueue import tell

    with front.open(must_exist=True, changes=True) as queue:
        for name in names:
            tell(front, Arrival(queue.schedules.run(name), new=True))


@click.command(
    "delete",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck schedule delete nightly
""",
)
@_names
@click.pass_obj
def delete_part(front: Front, names: tuple[str, ...]) -> int:
    """Forget schedules. The jobs that they enqueued stay."""
    from jobdeck import ScheduleNotFound

    missing = 0
    with front.open(must_exist=True, changes=True) as queue:
        for name in names:
            try:
                queue.schedules.delete(name)
            except ScheduleNotFound as error:
                missing += 1
                complain(str(error))
            else:
                if front.json:
                    print_json({"schedule": name, "deleted": True})
                else:
                    click.echo(f"Schedule {safe(name)} is deleted.")
    return 1 if missing else 0


@click.command(
    "preview",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck schedule preview '0 3 * * *'
  jobdeck schedule preview '0 9 * * MON#1' --timezone America/New_York -n 12
  jobdeck schedule preview 'every 90s' --json
""",
)
@click.argument("cron")
@click.option(
    "--timezone", "--tz", metavar="ZONE", default="UTC", shell_complete=complete_zones, help="UTC if not given; or local."
)
@click.option("-n", type=click.IntRange(1, 10_000), default=5, show_default=True, help="How many ticks.")
@click.pass_obj
def preview_part(front: Front, cron: str, timezone: str, n: int) -> None:
    """Say in words what an expression means, and when its next ticks come. Needs no queue."""
    from jobdeck import explain_cron, local_zone, next_ticks

    from ..text.times import in_zone
    from .json_documents import iso

    zone = local_zone() if timezone == "local" else timezone
    words = explain_cron(cron)
    ticks = next_ticks(cron, zone, after=time.time(), n=n)
    if front.json:
        print_json({"cron": cron, "words": words, "timezone": zone, "ticks": [*map(iso, ticks)]})
        return
    click.echo(f"{safe(words)}, {safe(zone)}")
    for tick in ticks:
        click.echo(f"  {in_zone(tick, zone)}")
