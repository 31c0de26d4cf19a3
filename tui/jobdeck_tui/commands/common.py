"""What every command shares: the common options, the queue they open, and how failures are told."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..text.sanitize import safe

if TYPE_CHECKING:
    from jobdeck import Queue, Settings

F = TypeVar("F", bound=Callable[..., Any])

DEBUG = "JOBDECK_LOG_LEVEL"
_NEGATIVE = re.compile(r"""-(?:\d|[A-Za-z_][^\s:<>="]*[:<>=])""")


class Refused(click.ClickException):
    """The command could not do what was asked, for a reason of its own. One sentence; exit code 1."""


@dataclass
class Front:
    """What the common options said, before or after the subcommand."""

    db: str | None = None
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
        """The settings, with what the options said in place of the environment."""
        from jobdeck import Settings

        app = None if self.app is None else tuple(name.strip() for name in self.app.split(",") if name.strip())
        return Settings.load(database=self.db, app=app, threads=self.threads)

    def open(self, *, must_exist: bool = False, changes: bool = False) -> Queue:
        """The queue, to be closed by the command.

        Args:
            must_exist: refuse a database that is not there, instead of making one.
            changes: the command changes something, and so is refused with --readonly.
        """
        if changes:
            self.refuse_if_readonly()
        from jobdeck import Queue

        if must_exist:
            self.refuse_missing()
        return Queue(settings=self.settings, create=not must_exist)

    def refuse_missing(self) -> None:
        """Refuse a database that is not there."""
        where = self.settings.database
        scheme, separator, rest = where.partition("://")
        path = rest.removeprefix("/") if separator and scheme == "sqlite" else where
        if (not separator or scheme == "sqlite") and not os.path.exists(os.path.expanduser(path)):  # noqa: PTH110, PTH111
            raise Refused(f"There is no database {where}; `jobdeck enqueue` and `jobdeck run` make one.")

    def refuse_if_readonly(self) -> None:
        """Raise a usage error if --readonly was given."""
        if self.readonly:
            raise click.UsageError("--readonly was given, and this command changes the queue")

    def load_kinds(self) -> None:
        """Make the kinds of the user's modules known, and `shell`."""
        from jobdeck import REGISTRY, add_shell, load_apps

        if "shell" not in REGISTRY:
            add_shell(REGISTRY)
        if self.settings.app:
            load_apps(self.settings.app)


def _told(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None and value is not False:
        setattr(ctx.ensure_object(Front), str(parameter.name), value)


def _common(*, json: bool, cockpit: bool) -> list[click.Option]:
    options = [
        click.Option(
            ["--db"],
            metavar="DATABASE",
            expose_value=False,
            callback=_told,
            is_eager=True,
            help="A path, sqlite:///path or postgresql://user@host/name.  [env: JOBDECK_DATABASE]",
        ),
        click.Option(
            ["--app"],
            metavar="MODULES",
            expose_value=False,
            callback=_told,
            is_eager=True,
            help="The modules that define your kinds, comma-separated.  [env: JOBDECK_APP]",
        ),
    ]
    if cockpit:
        options += [
            click.Option(
                ["--threads"],
                type=click.IntRange(0, 1000),
                metavar="N",
                expose_value=False,
                callback=_told,
                help="Worker threads; 0 to only watch.  [env: JOBDECK_THREADS]",
            ),
            click.Option(["--readonly"], is_flag=True, expose_value=False, callback=_told, help="Look, but change nothing."),
            *_looks(),
        ]
    if json:
        options.append(
            click.Option(
                ["--json"],
                is_flag=True,
                expose_value=False,
                callback=_told,
                help="Print one JSON document a line, for scripts.",
            )
        )
    return options


class Size(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Columns and lines: `120x40`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Read it."""
        if isinstance(value, tuple):
            return value
        columns, _, lines = str(value).lower().partition("x")
        if not (columns.isdecimal() and lines.isdecimal() and len(columns) < 5 and len(lines) < 5):
            self.fail(f"{value!r} is not a size such as 120x40", param, ctx)
        return int(columns), int(lines)


def _looks() -> list[click.Option]:
    """How the cockpit is shown, and where."""

    def option(name: str, help: str, **more: Any) -> click.Option:
        return click.Option([name], expose_value=False, callback=_told, help=help, **more)

    themes = ("dark", "light", "contrast", "ansi")  # as in theme.py, which is not imported for --help
    return [
        option("--theme", "The colours, for this once.  [env: JOBDECK_THEME]", type=click.Choice(themes)),
        option("--ascii", "Draw with ASCII characters only.  [env: JOBDECK_ASCII]", is_flag=True),
        option("--snapshot", "Print one frame as text and exit.", is_flag=True),
        option("--screenshot", "Save one frame as a picture (SVG) and exit.", metavar="FILE"),
        option("--size", "Size of the frame; the terminal's if not said.", type=Size(), metavar="COLUMNSxLINES"),
        option("--screen", "The screen of the frame: queues, …; jobs if not said.", metavar="NAME"),
        option("--web", "Serve the cockpit to a browser on this machine.", is_flag=True),
        option("--port", "The port of --web; 8000 if not said.", type=click.IntRange(0, 65535), metavar="N"),
    ]


def front_options(*, cockpit: bool) -> Callable[[F], F]:
    """The options that stand before the subcommand."""

    def add(function: F) -> F:
        function.__click_params__ = _common(json=True, cockpit=cockpit)[::-1] + getattr(  # type: ignore[attr-defined]
            function, "__click_params__", []
        )
        return function

    return add


class Verb(click.Command):
    """A subcommand: takes the common options too, and tells a negative number or term from an option."""

    def __init__(self, *args: Any, json: bool = True, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params += _common(json=json, cockpit=False)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # -3 and -tag:slow are words of jobdeck's, not options: a blank in front says so to click, and whoever
        # reads the word drops it. What follows -- is a command, and left alone.
        end = args.index("--") if "--" in args else len(args)
        if self.allow_interspersed_args:
            args = [f" {word}" if _NEGATIVE.match(word) else word for word in args[:end]] + args[end:]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(130)


def report(error: Exception) -> int:
    """Tell the person in one sentence; returns the exit code."""
    from jobdeck import InvalidFilter, InvalidOption, InvalidSetting, JobdeckError

    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return 2
    if isinstance(error, click.UsageError):
        hint = f"\nTry '{error.ctx.command_path} --help'." if error.ctx is not None else ""
        return _tell(error.format_message(), hint, code=2)
    if isinstance(error, click.ClickException):
        return _tell(error.format_message(), code=error.exit_code)
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return 130
    if isinstance(error, BrokenPipeError):
        return 1
    if isinstance(error, JobdeckError):
        return _tell(str(error), code=2 if isinstance(error, (InvalidFilter, InvalidOption, InvalidSetting)) else 1)
    if isinstance(error, OSError) and error.filename is not None:
        return _tell(f"{error.filename}: {error.strerror}.", code=1)
    if os.environ.get(DEBUG, "").upper() == "DEBUG":
        raise error
    return _tell(f"This is a bug in jobdeck: {type(error).__name__}: {error} ({DEBUG}=DEBUG shows where).", code=1)


def _tell(sentence: str, hint: str = "", *, code: int) -> int:
    complain(sentence)
    if hint:
        click.echo(hint.strip(), err=True)
    return code


def complain(sentence: str) -> None:
    """One sentence on standard error."""
    click.echo(f"jobdeck: {safe(sentence)}", err=True)


@contextmanager
def closing() -> Iterator[None]:
    """Flush what was printed, quietly even if nobody reads it any more."""
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except BrokenPipeError:
                with suppress(OSError, ValueError):
                    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
