"""Define the `jobdeck` command: its options and its subcommands, each imported only when used."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from jobdeck import __version__

from .collection import defer_collection, skip_last_collection
from .commands.common import CliContext, SuggestingGroup, common_options, print_error, report_error
from .commands.init_process import become_init
from .commands.standard_streams import check_standard_streams, finish_output, is_output_error

#: Heading → command → (module, one line for `jobdeck --help`). The function is named after the command: `list_command`.
SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Enqueue": {
        "enqueue": ("enqueue", "Enqueue a job of a kind, or a file of jobs."),
        "run": ("run", "Enqueue a shell command."),
        "schedule": ("schedule", "Manage periodic jobs: list, add, edit, pause, run, …"),
    },
    "Inspect jobs": {
        "list": ("list_jobs", "List jobs, optionally filtered."),
        "show": ("show", "Show a job with its attempts and errors."),
        "why": ("why", "Explain why a job is not running and when it may start."),
        "stack": ("stack", "Show the current stack of a running job."),
        "logs": ("logs", "Print a job's log; -f to follow."),
        "wait": ("wait", "Wait until jobs finish."),
        "batch": ("batch", "Show the progress of a batch; --wait to wait for it."),
    },
    "Change jobs": {
        "cancel": ("job_actions", "Cancel queued and running jobs."),
        "retry": ("job_actions", "Retry jobs, or run delayed jobs now."),
        "edit": ("edit", "Change a queued job: arguments, queue, time, …"),
        "priority": ("job_actions", "Change the priority of queued jobs."),
        "delete": ("job_actions", "Delete jobs with their attempts and logs."),
        "pause": ("pause", "Pause a queue, or all of them."),
        "resume": ("pause", "Resume a paused queue, or all of them."),
        "undo": ("journal", "Undo your last action, or one from the journal."),
        "redo": ("journal", "Redo the action you undid last."),
        "limit": ("limit", "Limit a queue's concurrency or start rate."),
    },
    "Inspect the queue": {
        "stats": ("stats", "Show counts, throughput and percentiles."),
        "queues": ("queues", "List queues: depth, waits, limits, forecast."),
        "errors": ("errors", "Group failures by kind, error and line of code."),
        "events": ("events", "Show recent events; -f to follow."),
        "timeline": ("timeline", "List recent runs and the workers that ran them."),
        "workers": ("workers", "List workers and their load."),
        "kinds": ("kinds", "List job kinds and their arguments."),
        "journal": ("journal", "List the actions of people and programs."),
        "health": ("health", "Check that jobs are being processed."),
        "metrics": ("metrics", "Print metrics for Prometheus."),
    },
    "Maintenance": {
        "prune": ("prune", "Delete old finished jobs."),
        "backup": ("backup", "Write a verified copy of the queue while it is in use."),
        "copy": ("copy", "Move the queue to another database, or back."),
        "doctor": ("doctor", "Diagnose problems and suggest fixes."),
        "schema": ("schema", "Show, print or run the migration of the tables."),
    },
    "Run": {
        "worker": ("worker", "Run a headless worker."),
        "serve": ("serve", "Serve the HTTP API."),
        "token": ("token", "Manage the tokens of the HTTP API: add, list, remove."),
        "demo": ("demo", "Open the cockpit on a throwaway queue with sample traffic."),
        "lab": ("lab", "Run a concurrency experiment: naive beside jobdeck, with verdicts."),
        "guide": ("guide", "Read the guide: list its topics, or open one."),
        "keys": ("keys", "Print the cockpit's keymap as an editable file."),
        "completion": ("completion", "Print the completion script for a shell."),
    },
}
COMMANDS = {name: each for section in SECTIONS.values() for name, each in section.items()}


class RootGroup(SuggestingGroup):
    """List subcommands under headings, and import one only to run it or to print its help."""

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
        """Run a command line and exit with 0 on success, 1 on failure, 2 on wrong usage."""
        if shell := os.environ.get("_JOBDECK_COMPLETE"):
            from .commands.shells.answer import main as answer_shell

            answer_shell(self, shell)
            sys.exit(0)
        extra |= {"prog_name": "jobdeck", "standalone_mode": False}
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            extra.setdefault("color", False)
        try:
            code = super().main(args, **extra)
        except SystemExit as ended:
            code = ended.code
        except Exception as error:
            code = 1 if is_output_error(error) else report_error(error)
        sys.exit(finish_output(code if isinstance(code, int) else 0, print_error))


@click.group(
    "jobdeck",
    cls=RootGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  jobdeck                                   open the cockpit and run jobs
  jobdeck --threads 0                       watch without running jobs
  jobdeck run -- gzip big.log               enqueue a shell command
  jobdeck enqueue mail.send to=ann@example.org --queue mail --in 10m
  jobdeck list 'state:failed age<1h'
  jobdeck retry --where 'state:failed queue:mail'

Settings come from the environment and from .env in the current folder. Run `jobdeck COMMAND --help` for
the options of a command.
""",
)
@click.version_option(__version__, "--version", message="jobdeck %(version)s")
@common_options(cockpit=True)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """A durable job queue with its cockpit in your terminal.

    Without a command, open the cockpit and run jobs on its own worker threads.
    """
    front = ctx.ensure_object(CliContext)
    if ctx.invoked_subcommand is None:
        from .commands.cockpit import open_cockpit

        open_cockpit(front)


def main() -> None:
    """Run the `jobdeck` script."""
    become_init()
    defer_collection()
    check_standard_streams()
    try:
        cli()
    except KeyboardInterrupt:
        os._exit(130)
    finally:
        skip_last_collection()
