"""The `jobdeck` command: its options, and where each subcommand lives. A subcommand is imported when it is used."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Any

import click

from jobdeck import __version__

from .commands.front import Front, closing, front_options, report

#: Heading → command → (module that holds it, what `jobdeck --help` says of it). The function is named after the command.
SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Put jobs in": {
        "enqueue": ("enqueue", "Enqueue a job of a kind, or a file of jobs."),
        "run": ("run", "Enqueue a command."),
        "schedule": ("schedule", "Enqueue jobs at times of a cron expression; list, edit, pause."),
    },
    "Look at jobs": {
        "list": ("listing", "List jobs, all or those that match a filter."),
        "show": ("show", "Show everything about a job."),
        "why": ("why", "Say why a job is not running, and when it may."),
        "stack": ("stack", "Show where the code of a running job is now."),
        "logs": ("logs", "Print what a job wrote, and follow it."),
        "wait": ("wait", "Wait until jobs are done."),
        "batch": ("batch", "Show how far a batch of jobs is, and wait for it."),
    },
    "Change jobs": {
        "cancel": ("acts", "Cancel jobs, running ones too."),
        "retry": ("acts", "Run jobs again, or now instead of later."),
        "edit": ("edit", "Change a job that still waits: arguments, queue, time."),
        "priority": ("acts", "Set or change the priority of jobs."),
        "delete": ("acts", "Remove jobs with their attempts and logs."),
        "pause": ("queues", "Start nothing more from a queue."),
        "resume": ("queues", "Start jobs from a queue again."),
        "undo": ("journal", "Take back what you did last."),
        "redo": ("journal", "Do again what you have undone last."),
        "limit": ("limit", "Limit what runs of a queue at once, or starts in a time."),
    },
    "Look at the queue": {
        "stats": ("stats", "Counts, throughput and percentiles."),
        "queues": ("backlogs", "List the queues: waits, limits, and when they will be empty."),
        "errors": ("errors", "Show what fails, alike failures together."),
        "events": ("events", "Tell what jobs and people do, and follow it."),
        "timeline": ("timeline", "List what ran in a stretch of time, and where."),
        "workers": ("workers", "List the workers and what they do."),
        "kinds": ("kinds", "List what can be enqueued, with its arguments."),
        "journal": ("journal", "List what people did: who, what, when."),
        "health": ("health", "Say whether jobs are being worked off."),
    },
    "Care for it": {
        "prune": ("prune", "Remove old final jobs."),
        "backup": ("backup", "Write a checked copy of the queue while it is used."),
        "doctor": ("doctor", "Look the queue over, and say what to do."),
    },
    "Run it": {
        "worker": ("worker", "Work jobs off without a screen, for a service manager."),
        "demo": ("demo", "Open the cockpit on a throwaway queue with a lively workload."),
        "guide": ("guide", "Read the guide: list its topics, or open one."),
        "keys": ("keys", "List the cockpit's keys, as a file to change them with."),
        "completion": ("completion", "Print the completion script of your shell."),
    },
}
COMMANDS = {name: each for section in SECTIONS.values() for name, each in section.items()}


class Deck(click.Group):
    """A group that knows its subcommands by name and imports one only to run it or to print its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f".commands.{COMMANDS[cmd_name][0]}", __package__)
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, commands in SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, short) for name, (_, short) in commands.items()], col_max=12)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=short) for name, (_, short) in COMMANDS.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def main(self, args: Any = None, *_: Any, **extra: Any) -> Any:
        """Run a command line and exit: 0 done, 1 could not, 2 wrong usage."""
        extra |= {"prog_name": "jobdeck", "standalone_mode": False}
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            extra.setdefault("color", False)
        with closing():
            try:
                code = super().main(args, **extra)
            except Exception as error:
                code = report(error)
        sys.exit(code if isinstance(code, int) else 0)


@click.group(
    "jobdeck",
    cls=Deck,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  jobdeck                                   open the cockpit and run jobs
  jobdeck --threads 0                       only watch
  jobdeck run -- gzip big.log               enqueue a command
  jobdeck enqueue mail.send to=ann@example.org --queue mail --in 10m
  jobdeck list 'state:failed age<1h'
  jobdeck retry --where 'state:failed queue:mail'

Settings are read from the environment and from .env in the current folder. `jobdeck COMMAND --help`
tells more about each command.
""",
)
@click.version_option(__version__, "--version", message="jobdeck %(version)s")
@front_options(cockpit=True)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """A durable job queue with its cockpit in your terminal.

    Without a command: open the cockpit, with worker threads of its own.
    """
    front = ctx.ensure_object(Front)
    if ctx.invoked_subcommand is None:
        from .commands.cockpit import open_cockpit

        open_cockpit(front)


def main() -> None:
    """The entry point of the `jobdeck` script."""
    gc.set_threshold(20_000, 20, 20)  # starting makes many objects and no garbage: looking for it costs 10 %
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8 gets codes, not a crash
    try:
        cli()
    except KeyboardInterrupt:
        os._exit(130)
