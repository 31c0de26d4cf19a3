"""Share the common options, the opening of the queue, and error reporting among all commands."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

# Loaded now: a process that has run out of files cannot import what explains it.
from jobdeck import InvalidFilter, InvalidOption, InvalidSetting, JobdeckError, did_you_mean, known_problem

from ..text.sanitize import safe
from .param_types import WholeNumber
from .path_completers import complete_files
from .standard_streams import complete_despite_output

if TYPE_CHECKING:
    from jobdeck import Queue, Settings

F = TypeVar("F", bound=Callable[..., Any])

DEBUG = "JOBDECK_LOG_LEVEL"
_ENDED_TWICE = r"(?<=[^.\s][.?!…])[.](?=\s|$)"
"""The full stop after a quoted message that ends with one."""
OPTIONAL_MODULES = ("textual_speedups", "tree_sitter")
"""Optional modules that Textual imports if they are installed."""
_ADDRESS = r"'[^'\s]*:[^'\s]*@[^'\s]*'"
"""A word of the command line that may be the address of a database, with its password, in the wrong place."""
_SYNONYMS = {
    **dict.fromkeys(("ls", "ps", "jobs"), "list"),
    **dict.fromkeys(("status", "top", "info"), "stats show list"),
    **dict.fromkeys(("get", "describe", "inspect"), "show list"),
    **dict.fromkeys(("rm", "remove", "del"), "delete"),
    **dict.fromkeys(("kill", "stop", "abort"), "cancel pause"),
    **dict.fromkeys(("log", "tail", "output"), "logs"),
    **dict.fromkeys(("add", "push", "submit", "create", "new"), "add enqueue"),
    **dict.fromkeys(("exec", "do", "shell"), "run"),
    **dict.fromkeys(("start", "serve", "work", "workd"), "worker resume"),
    **dict.fromkeys(("rerun", "requeue", "restart"), "retry run"),
    **dict.fromkeys(("unpause", "continue", "enable"), "resume"),
    **dict.fromkeys(("hold", "disable"), "pause"),
    **dict.fromkeys(("clean", "purge", "gc"), "prune"),
    **dict.fromkeys(("history", "audit"), "journal"),
    **dict.fromkeys(("explain", "reason"), "why"),
    **dict.fromkeys(("check", "fix", "diagnose"), "doctor"),
    **dict.fromkeys(("docs", "manual", "man", "help"), "guide preview"),
    **dict.fromkeys(("cron", "crontab"), "schedule add"),
}
"""Words of other programs → the commands that they may mean, of which a group has some."""
_NEGATIVE = r"""-(?:\d|[A-Za-z_][^\s:<>="]*[:<>=])"""


class CommandError(click.ClickException):
    """Report that a command failed for a reason of its own: one sentence, exit code 1."""


@dataclass(eq=False, repr=False)
class CliContext:
    """Hold the common options, given before or after the subcommand."""

    db: str | None = None  # may hold a password
    api_token_file: str | None = None
    app: str | None = None
    threads: int | None = None
    readonly: bool = False
    json: bool = False
    theme: str | None = None
    ascii: bool = False
    snapshot: bool = False
    screenshot: str | None = None
    size: tuple[int, int] | None = None
    screen: str | None = None
    web: bool = False
    port: int | None = None

    @cached_property
    def settings(self) -> Settings:
        """Load the settings; options override the environment."""
        from jobdeck import Settings

        app = None if self.app is None else tuple(name.strip() for name in self.app.split(",") if name.strip())
        token = None if self.api_token_file is None else read_token(self.api_token_file)
        return Settings.load(database=self.db, app=app, threads=self.threads, token=token)

    @property
    def is_remote(self) -> bool:
        """Return whether the queue is behind an HTTP API."""
        from jobdeck import DatabaseAddress

        return DatabaseAddress.parse(self.settings.database).is_api

    def refuse_remote(self, command: str) -> None:
        """Fail if the queue is behind an HTTP API: the command needs its database."""
        if self.is_remote:
            raise CommandError(
                f"`jobdeck {command}` needs the queue's database, and {self.settings.database} is its HTTP API;"
                " run it on the server's machine, with the database as --db."
            )

    def open(self, *, must_exist: bool = False, changes: bool = False, readonly: bool = False) -> Queue:
        """Open the queue; the command closes it.

        Args:
            must_exist: fail if the database does not exist, instead of creating it.
            changes: the command changes the queue, so refuse it with --readonly.
            readonly: open it for reading only.
        """
        if changes:
            self.refuse_if_readonly()
        from jobdeck import open_queue

        if must_exist:
            self.refuse_missing()
        return open_queue(settings=self.settings, create=not must_exist, readonly=readonly)

    @contextmanager
    def open_to_enqueue(self, *, must_exist: bool = False) -> Iterator[Queue]:
        """Open the queue for a command that enqueues jobs. They belong to the trace that TRACEPARENT names, if it is set."""
        with self.open(must_exist=must_exist, changes=True) as queue:
            if "TRACEPARENT" not in os.environ:
                yield queue
                return
            from jobdeck import carry_trace, trace_of_variables

            with carry_trace(trace_of_variables(os.environ)):
                yield queue

    @contextmanager
    def read(self, *, notice: bool = True) -> Iterator[Queue]:
        """Open the queue for a command that only reads: nothing is written, and nothing needs to be writable.

        At the end, unless `notice` is false, report on standard error what could not be shown, or not as it is stored.
        """
        with self.open(must_exist=True, readonly=True) as queue:
            yield queue
            text = queue.notice if notice else None
        if text is not None:
            print_error(text)

    def refuse_missing(self) -> None:
        """Fail if the database file does not exist."""
        from jobdeck import DatabaseAddress

        address = DatabaseAddress.parse(self.settings.database)
        if address.file is not None and not address.file.exists():
            if not address.file.is_absolute():
                absolute_folder()  # a deleted folder is another problem
            raise CommandError(f"The database {address.shown} does not exist; `jobdeck enqueue` or `jobdeck run` creates it.")

    def refuse_if_readonly(self) -> None:
        """Prepare a command that changes something. Raises a usage error if --readonly was given."""
        if self.readonly:
            raise click.UsageError("this command changes the queue; run it without --readonly")
        complete_despite_output()

    def load_kinds(self) -> None:
        """Register `shell` and the kinds of the user's modules. Those of a queue behind an HTTP API are on its server."""
        from jobdeck import REGISTRY, add_shell, load_apps, reserve_missing

        if self.is_remote:
            return
        if "shell" not in REGISTRY:
            add_shell(REGISTRY)
        if self.settings.app:
            reserve_missing(OPTIONAL_MODULES)
            load_apps(self.settings.app)


def read_token(path: str) -> str:
    """Return the token in a file.

    Raises:
        CommandError: the file cannot be read, other users can read it, or it holds no token.
    """
    try:
        with Path(path).expanduser().open(encoding="ascii") as file:
            about = os.fstat(file.fileno())
            text = file.read(1000).strip()
    except OSError as error:
        raise CommandError(f"The token file {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        text = ""
    else:
        if stat.S_ISREG(about.st_mode) and about.st_mode & 0o077:  # a pipe, as from <(pass show token), is nobody else's
            raise CommandError(f"Other users can read the token file {path}; run chmod 600 on it.")
    if not text or len(text.split()) != 1:
        raise CommandError(f"The token file {path} must hold one token and nothing else, as `jobdeck token add` printed it.")
    return text


def absolute_folder(folder: str | None = None) -> str:
    """Return the absolute path of a folder, by default the current one.

    Raises:
        CommandError: the current folder was deleted.
    """
    try:
        return str(Path(folder or "").absolute())
    except FileNotFoundError:
        raise CommandError("The current folder was deleted; change to another one, or give absolute paths.") from None


def _store_option(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None and value is not False:
        setattr(ctx.ensure_object(CliContext), str(parameter.name), value)


def _common(*, json: bool, cockpit: bool) -> list[click.Option]:
    options = [
        click.Option(
            ["--db"],
            metavar="DATABASE",
            shell_complete=complete_files,
            expose_value=False,
            callback=_store_option,
            is_eager=True,
            help="Database: a path, sqlite:///path or postgresql://user@host/name; or http://host:port of an HTTP API."
            "  [env: JOBDECK_DATABASE]",
        ),
        click.Option(
            ["--token-file", "api_token_file"],
            metavar="FILE",
            shell_complete=complete_files,
            expose_value=False,
            callback=_store_option,
            is_eager=True,
            help="File with the token of the HTTP API; only you may read it.  [env: JOBDECK_TOKEN, the token itself]",
        ),
        click.Option(
            ["--app"],
            metavar="MODULES",
            shell_complete=complete_files,
            expose_value=False,
            callback=_store_option,
            is_eager=True,
            help="Modules that define your job kinds, comma-separated.  [env: JOBDECK_APP]",
        ),
    ]
    if cockpit:
        options += [
            click.Option(
                ["--threads"],
                type=WholeNumber(0, 1000),
                metavar="N",
                expose_value=False,
                callback=_store_option,
                help="Number of worker threads (default 4); 0 to only watch.  [env: JOBDECK_THREADS]",
            ),
            click.Option(
                ["--readonly"],
                is_flag=True,
                expose_value=False,
                callback=_store_option,
                help="Refuse all changes to the queue.",
            ),
            *_display_options(),
        ]
    if json:
        options.append(
            click.Option(
                ["--json"],
                is_flag=True,
                expose_value=False,
                callback=_store_option,
                help="Print one JSON document per line.",
            )
        )
    return options


class Size(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Accept a size in columns and lines: `120x40`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return the size as (columns, lines)."""
        if isinstance(value, tuple):
            return value
        columns, _, lines = str(value).lower().partition("x")
        if not (columns.isdecimal() and lines.isdecimal() and len(columns) < 5 and len(lines) < 5):
            self.fail(f"{value!r} is not a size such as 120x40", param, ctx)
        return int(columns), int(lines)


def _display_options() -> list[click.Option]:
    """Return the options for how and where the cockpit is shown."""

    def option(name: str, help: str, **more: Any) -> click.Option:
        return click.Option([name], expose_value=False, callback=_store_option, help=help, **more)

    themes = ("dark", "light", "contrast", "ansi")  # as in theme.py, which --help must not import
    return [
        option(
            "--theme", "Color theme of this run (default: the last one used).  [env: JOBDECK_THEME]", type=click.Choice(themes)
        ),
        option("--ascii", "Draw with ASCII characters only.  [env: JOBDECK_ASCII]", is_flag=True),
        option("--snapshot", "Print one frame as text and exit.", is_flag=True),
        option("--screenshot", "Save one frame as an SVG picture and exit.", metavar="FILE", shell_complete=complete_files),
        option("--size", "Size of the frame (default: the terminal's).", type=Size(), metavar="COLUMNSxLINES"),
        option("--screen", "Screen shown in the frame: queues, … (default jobs).", metavar="NAME"),
        option("--web", "Serve the cockpit to browsers on this machine.", is_flag=True),
        option("--port", "Port for --web (default 8000); 0 picks a free one.", type=WholeNumber(0, 65535), metavar="N"),
    ]


def common_options(*, cockpit: bool) -> Callable[[F], F]:
    """Add the common options to a group, so that they may precede the subcommand."""

    def add(function: F) -> F:
        function.__click_params__ = _common(json=True, cockpit=cockpit)[::-1] + getattr(  # type: ignore[attr-defined]
            function, "__click_params__", []
        )
        return function

    return add


class SuggestingGroup(click.Group):
    """Suggest the subcommand that a mistyped one, or another program's word for it, may mean."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and args[0][:1].isalnum() and not ctx.resilient_parsing:
            commands = self.list_commands(ctx)
            synonym = next((each for each in _SYNONYMS.get(args[0].lower(), "").split() if each in commands), None)
            hint = f"; did you mean {synonym}?" if synonym else did_you_mean(args[0], commands)
            ctx.fail(f"No such command {args[0]!r}{hint or '.'}")
        return super().resolve_command(ctx, args)


class Subcommand(click.Command):
    """Take the common options too, and accept negative numbers and terms as arguments."""

    def __init__(self, *args: Any, json: bool = True, needs_database: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.needs_database = needs_database
        self.params += _common(json=json, cockpit=False)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # -3 and -tag:slow are arguments, not options: a leading blank hides them from click's option parser, and
        # each reader strips it. Everything after -- is a command and stays as it is.
        end = args.index("--") if "--" in args else len(args)
        if ctx.allow_interspersed_args:  # otherwise the words after the first argument are a command, too
            args = [f" {word}" if word.startswith("-") and re.match(_NEGATIVE, word) else word for word in args[:end]] + args[
                end:
            ]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        if self.needs_database:
            ctx.ensure_object(CliContext).refuse_remote(str(ctx.info_name))
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(130)


def report_error(error: Exception) -> int:
    """Print the error as one sentence and return the exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return 2
    if isinstance(error, click.UsageError):
        hint = f"\nTry '{error.ctx.command_path} --help'." if error.ctx is not None else ""
        return _print_failure(re.sub(_ADDRESS, "'…'", error.format_message()), hint, code=2)
    if isinstance(error, click.ClickException):
        return _print_failure(error.format_message(), code=error.exit_code)
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return 130
    if isinstance(error, BrokenPipeError):
        return 1
    if isinstance(error, JobdeckError):
        return _print_failure(str(error), code=2 if isinstance(error, (InvalidFilter, InvalidOption, InvalidSetting)) else 1)
    if (problem := known_problem(error)) is not None:
        return _print_failure(problem, code=1)
    if os.environ.get(DEBUG, "").upper() == "DEBUG":
        raise error
    sentence = f"Internal error: {type(error).__name__}: {error}. This is a bug in jobdeck; {DEBUG}=DEBUG shows the traceback."
    return _print_failure(sentence, code=1)


def _print_failure(sentence: str, hint: str = "", *, code: int) -> int:
    print_error(sentence)
    if hint:
        click.echo(hint.strip(), err=True)
    return code


def print_error(sentence: str) -> None:
    """Print one sentence on standard error, without a password that it may quote from the command line."""
    from jobdeck import redact

    click.echo(f"jobdeck: {safe(redact(re.sub(_ENDED_TWICE, '', sentence)))}", err=True)
