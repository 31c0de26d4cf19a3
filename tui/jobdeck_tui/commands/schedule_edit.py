"""`jobdeck schedule add` and `edit`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from jobdeck import explain_cron, handler_kind

from .common import CliContext, Subcommand, absolute_folder
from .completers import complete_kinds, complete_pairs, complete_queues, complete_schedules, complete_zones
from .enqueue import read_arguments
from .job_options import given_options
from .param_types import DURATION
from .schedule_list import print_schedule

F = TypeVar("F", bound=Callable[..., Any])


def _job_choice(function: F) -> F:
    """Add the options of the job that a schedule enqueues."""
    for option in reversed(
        (
            click.option("--args", "args_json", metavar="JSON", help="Arguments as a JSON object; KEY=VALUE overrides it."),
            click.option("--shell", "command", metavar="COMMAND", help="Run this command with sh, instead of a kind."),
            click.option("--name", "command_name", metavar="NAME", help="Name of the command (default: its program's)."),
            click.option(
                "--timezone",
                "--tz",
                metavar="ZONE",
                shell_complete=complete_zones,
                help="Time zone of the expression, such as Europe/Berlin, or local.",
            ),
            click.option("--queue", metavar="NAME", shell_complete=complete_queues, help="Queue of the jobs."),
            click.option(
                "--priority",
                type=int,
                metavar="N",
                help="Priority, -1000000 to 1000000; larger runs first.",
            ),
            click.option(
                "--max-attempts",
                type=int,
                metavar="N",
                help="Maximum number of attempts per job, 1 to 1000.",
            ),
            click.option(
                "--timeout",
                type=DURATION,
                metavar="DURATION",
                help="Time limit per attempt: 90s, 10m; 0 for none.",
            ),
            click.option("--tag", "tags", multiple=True, metavar="WORD", help="Tag the jobs for filters; repeatable."),
        )
    ):
        function = option(function)
    return function


@click.command(
    "add",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck schedule add nightly '0 3 * * *' --timezone Europe/Berlin --shell 'pg_dump shop | gzip > shop.sql.gz'
  jobdeck schedule add report '0 9 * * MON-FRI' tasks.report to=ann@example.org --queue mail
  jobdeck schedule add billing '0 0 L * *' tasks.bill --max-attempts 1 --replace
  jobdeck schedule add ping 'every 90s' tasks.ping

CRON has five fields: minute, hour, day of month, month, day of week; or six, with seconds first. It may also be
@hourly, @daily, @weekly, @monthly, @yearly, or `every 90s` (10m, 2h, …), counted from 1970 UTC. Quote it.
If a clock change skips a fixed time, the job is enqueued right after it; if it repeats the time, only once.
""",
)
@click.argument("name")
@click.argument("cron")
@click.argument("kind", required=False, shell_complete=complete_kinds)
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=complete_pairs)
@_job_choice
@click.option("--replace", is_flag=True, help="Replace the schedule with this name, if it exists.")
@click.pass_obj
def add_command(
    front: CliContext,
    /,
    name: str,
    cron: str,
    kind: str | None,
    pairs: Sequence[str],
    args_json: str | None,
    command: str | None,
    command_name: str | None,
    **options: Any,
) -> None:
    """Add a schedule that enqueues a job of a kind, or a shell command, at every tick of CRON.

    The arguments are validated now. KEY=VALUE works as in `jobdeck enqueue`. --timezone defaults to UTC, the
    other options to those of the kind.
    """
    if (kind is None) == (command is None):
        raise click.UsageError("give either a KIND (`jobdeck kinds` lists them) or --shell COMMAND")
    explain_cron(cron)  # check this first: after an unquoted CRON, an error about an unknown kind would mislead
    with front.open(changes=True) as queue:
        front.load_kinds()
        if command is not None:
            _no_arguments(pairs, args_json)
            kind, args = "shell", _shell(command, {})
        else:
            assert kind is not None
            args = read_arguments(queue, kind, pairs, args_json)
        print_schedule(front, queue.schedules.add(name, cron, _named(kind, command_name), args, **given_options(options)))


@click.command(
    "edit",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck schedule edit nightly --cron '30 4 * * *'
  jobdeck schedule edit nightly --timezone America/New_York --priority 5
  jobdeck schedule edit report to=bob@example.org
  jobdeck schedule edit nightly --shell './backup.sh --full'
""",
)
@click.argument("name", shell_complete=complete_schedules)
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=complete_pairs)
@click.option("--cron", metavar="CRON", help="Set a new cron expression; see `jobdeck schedule add --help`.")
@click.option(
    "--kind", metavar="KIND", shell_complete=complete_kinds, help="Set another kind; the arguments stay unless given."
)
@_job_choice
@click.pass_obj
def edit_command(
    front: CliContext,
    /,
    name: str,
    pairs: Sequence[str],
    kind: str | None,
    args_json: str | None,
    command: str | None,
    command_name: str | None,
    **options: Any,
) -> None:
    """Change a schedule. Omitted options are unchanged.

    A new cron expression applies from now on. KEY=VALUE changes one argument; --args replaces all of them.
    """
    changes = given_options(options)
    if not (changes or pairs or kind or args_json is not None or command is not None or command_name is not None):
        raise click.UsageError("specify what to change, such as --cron '30 4 * * *' or KEY=VALUE")
    with front.open(must_exist=True, changes=True) as queue:
        before = queue.schedules.get(name)
        old = before.args if isinstance(before.args, dict) else {}
        if command is not None:
            _no_arguments(pairs, args_json)
            if kind is not None:
                raise click.UsageError("--shell and --kind are mutually exclusive")
            changes |= {"kind": "shell", "args": _shell(command, old if handler_kind(before.kind) == "shell" else {})}
        elif kind is not None or pairs or args_json is not None:
            front.load_kinds()
            new = read_arguments(queue, kind or before.kind, pairs, args_json)
            changes |= {"kind": kind or before.kind, "args": new if args_json is not None else old | new}
        if command_name is not None:
            changes |= {"kind": _named(changes.get("kind", before.kind), command_name)}
        print_schedule(front, queue.schedules.edit(name, **changes))


def _named(kind: str, name: str | None) -> str:
    """Return the kind of a command with this name."""
    if name is not None and handler_kind(kind) != "shell":
        raise click.UsageError("--name requires a command: --shell, or kind shell")
    return kind if name is None else f"shell:{name}"


def _no_arguments(pairs: Sequence[str], args_json: str | None) -> None:
    if pairs or args_json is not None:
        raise click.UsageError("--shell takes the whole command as one quoted argument; omit KIND, KEY=VALUE and --args")


def _shell(command: str, old: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the kind `shell`; keep the old working directory, or use the current one."""
    return ({} if "cwd" in old else {"cwd": absolute_folder()}) | old | {"command": [command], "shell": True}
