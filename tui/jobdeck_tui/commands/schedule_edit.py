"""`jobdeck schedule add` and `edit`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from jobdeck import explain_cron

from .common import Front, Verb
from .completers import complete_kinds, complete_queues, complete_schedules, complete_zones
from .enqueue import read_arguments
from .job_options import given
from .param_types import DURATION
from .schedule_list import tell_schedule

F = TypeVar("F", bound=Callable[..., Any])


def _what(function: F) -> F:
    for option in reversed(
        (
            click.option("--args", "args_json", metavar="JSON", help="The arguments as a JSON object; KEY=VALUE wins over it."),
            click.option("--shell", "command", metavar="COMMAND", help="A command for sh, in place of a kind."),
            click.option(
                "--timezone",
                "--tz",
                metavar="ZONE",
                shell_complete=complete_zones,
                help="Where the expression is read, such as Europe/Berlin; local for this machine's zone; UTC if not given.",
            ),
            click.option(
                "--queue", metavar="NAME", shell_complete=complete_queues, help="The queue; the kind's own if not given."
            ),
            click.option("--priority", type=int, metavar="N", help="Larger runs first."),
            click.option("--max-attempts", type=int, metavar="N", help="How often each job may start."),
            click.option("--timeout", type=DURATION, metavar="DURATION", help="How long one attempt may take; 0 for no limit."),
            click.option("--tag", "tags", multiple=True, metavar="WORD", help="A word to find its jobs by; may be repeated."),
        )
    ):
        function = option(function)
    return function


@click.command(
    "add",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck schedule add nightly '0 3 * * *' --timezone Europe/Berlin --shell 'pg_dump shop | gzip > shop.sql.gz'
  jobdeck schedule add report '0 9 * * MON-FRI' tasks.report to=ann@example.org --queue mail
  jobdeck schedule add billing '0 0 L * *' tasks.bill --max-attempts 1 --replace
  jobdeck schedule add ping 'every 90s' tasks.ping

CRON is minute, hour, day-of-month, month, day-of-week, or six fields with second first; also @hourly, @daily,
@weekly, @monthly, @yearly, and `every 90s` (10m, 2h, …), counted from 1970 UTC. Quote it.
Where a clock change skips the time, the job comes right after it; where it repeats the time, the job comes once.
""",
)
@click.argument("name")
@click.argument("cron")
@click.argument("kind", required=False, shell_complete=complete_kinds)
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@_what
@click.option("--replace", is_flag=True, help="If there is one of this name, give it all of this instead.")
@click.pass_obj
def add_part(
    front: Front,
    /,
    name: str,
    cron: str,
    kind: str | None,
    pairs: Sequence[str],
    args_json: str | None,
    command: str | None,
    **options: Any,
) -> None:
    """Enqueue a job of a kind, or a command, at every tick of CRON from now on.

    The arguments are checked now. KEY=VALUE is read as `jobdeck enqueue` reads it.
    """
    if (kind is None) == (command is None):
        raise click.UsageError("name a KIND (`jobdeck kinds` lists them), or give a command with --shell; one of the two")
    explain_cron(cron)  # first of all: whoever forgot to quote it shall not hear of a strange kind
    with front.open(changes=True) as queue:
        front.load_kinds()
        if command is not None:
            _no_arguments(pairs, args_json)
            kind, args = "shell", _shell(command, {})
        else:
            assert kind is not None
            args = read_arguments(kind, pairs, args_json)
        tell_schedule(front, queue.schedules.add(name, cron, kind, args, **given(options)))


@click.command(
    "edit",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck schedule edit nightly --cron '30 4 * * *'
  jobdeck schedule edit nightly --timezone America/New_York --priority 5
  jobdeck schedule edit report to=bob@example.org
  jobdeck schedule edit nightly --shell './backup.sh --full'
""",
)
@click.argument("name", shell_complete=complete_schedules)
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--cron", help="Its new time; see `jobdeck schedule add --help`.")
@click.option("--kind", shell_complete=complete_kinds, help="Another kind, for the same arguments unless others are given.")
@_what
@click.pass_obj
def edit_part(
    front: Front,
    /,
    name: str,
    pairs: Sequence[str],
    kind: str | None,
    args_json: str | None,
    command: str | None,
    **options: Any,
) -> None:
    """Change what is given of a schedule, and leave the rest.

    A new time counts from now. KEY=VALUE changes single arguments; --args gives all of them anew.
    """
    changes = given(options)
    if not (changes or pairs or kind or args_json is not None or command is not None):
        raise click.UsageError("say what to change, such as --cron '30 4 * * *' or KEY=VALUE")
    with front.open(must_exist=True, changes=True) as queue:
        before = queue.schedules.get(name)
        old = before.args if isinstance(before.args, dict) else {}
        if command is not None:
            _no_arguments(pairs, args_json)
            if kind is not None:
                raise click.UsageError("--shell and --kind exclude each other")
            changes |= {"kind": "shell", "args": _shell(command, old if before.kind == "shell" else {})}
        elif kind is not None or pairs or args_json is not None:
            front.load_kinds()
            told = read_arguments(kind or before.kind, pairs, args_json)
            changes |= {"kind": kind or before.kind, "args": told if args_json is not None else old | told}
        tell_schedule(front, queue.schedules.edit(name, **changes))


def _no_arguments(pairs: Sequence[str], args_json: str | None) -> None:
    if pairs or args_json is not None:
        raise click.UsageError("--shell takes the whole command as one quoted text; leave out KIND, KEY=VALUE and --args")


def _shell(command: str, old: dict[str, Any]) -> dict[str, Any]:
    """Arguments of the kind `shell`; it runs where it was typed, or where it ran before."""
    return {"cwd": str(Path.cwd())} | old | {"command": [command], "shell": True}
