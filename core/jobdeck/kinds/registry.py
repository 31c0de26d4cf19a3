"""Which kinds there are: kind → handler, argument model, policy. Nothing else may be enqueued."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, overload

from ..model.errors import AppNotLoaded, InvalidHandler, UnknownKind
from ..model.jobs import Kind
from .arguments import Arguments
from .retry_policy import OwnBackoff, Retries, names_of

SHELL = "shell"
"""The built-in kind, known to every queue."""

Handler = Callable[..., Any]
F = TypeVar("F", bound=Handler)


@dataclass(frozen=True)
class Entry:
    """A kind: its handler and its policy."""

    kind: str
    handler: Handler
    queue: str = "default"
    priority: int = 0
    max_attempts: int | None = None
    timeout: float | None = None
    concurrency: int | None = None
    """How many may run at once, in all processes together."""
    retries: Retries = field(default_factory=Retries)
    isolate: bool = False
    """Whether it runs in a child process of its own, which can be killed."""

    @cached_property
    def task(self) -> bool:
        """Whether its handler is `async` and runs in the worker's own process."""
        return inspect.iscoroutinefunction(self.handler) and not self.isolate

    @cached_property
    def arguments(self) -> Arguments:
        """What its handler takes."""
        return Arguments(self.kind, self.handler)

    def check(self, args: Mapping[str, Any], limit: int) -> str:
        """See `Arguments.check`."""
        return self.arguments.check(args, limit)

    def load(self, args_json: str) -> dict[str, Any]:
        """See `Arguments.load`."""
        return self.arguments.load(args_json)

    def describe(self) -> Kind:
        """The kind as a form or a help text needs it."""
        return Kind(
            name=self.kind,
            queue=self.queue,
            priority=self.priority,
            max_attempts=self.max_attempts,
            timeout=self.timeout,
            concurrency=self.concurrency,
            isolate=self.isolate,
            doc=(inspect.getdoc(self.handler) or "").partition("\n\n")[0].replace("\n", " "),
            parameters=self.arguments.describe(),
            backoff=self.retries.bounds,
            retry_on=None if self.retries.retry_on is None else names_of(self.retries.retry_on),
            give_up_on=names_of(self.retries.give_up_on),
        )


class Registry:
    """The allow-list of kinds."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries = {entry.kind: entry for entry in entries}

    def add(self, entry: Entry) -> None:
        """Make the kind known. A later handler of the same kind takes the place of the earlier one.

        Raises:
            InvalidHandler: the name cannot be one, or the function is a generator, or takes `*args`, `**kwargs` or
                positional-only arguments.
        """
        if not 0 < len(entry.kind) <= 200 or not entry.kind.isprintable():
            raise InvalidHandler(f"{entry.kind[:200]!r}: the name of a kind has 1 to 200 printable characters.")
        for parameter in inspect.signature(entry.handler).parameters.values():
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise InvalidHandler(f"{entry.kind}: a handler takes named arguments only, not {str(parameter)!r}.")
        if inspect.isgeneratorfunction(entry.handler) or inspect.isasyncgenfunction(entry.handler):
            raise InvalidHandler(f"{entry.kind}: a generator does nothing when it is called; use a function without yield.")
        self._entries[entry.kind] = entry

    def get(self, kind: str) -> Entry:
        """The entry of a kind.

        Raises:
            UnknownKind: the kind is not in the registry.
        """
        try:
            return self._entries[kind]
        except KeyError:
            raise UnknownKind(kind, self._entries) from None

    def kind_of(self, handler: Handler) -> str:
        """The kind a handler was registered as.

        Raises:
            UnknownKind: it was not registered.
        """
        for entry in self._entries.values():
            if entry.handler == handler:  # a bound method is a new object each time it is named
                return entry.kind
        raise UnknownKind(getattr(handler, "__name__", repr(handler)), self._entries)

    def __contains__(self, kind: str) -> bool:
        return kind in self._entries

    @property
    def limits(self) -> dict[str, int]:
        """Kind → how many of it may run at once, in all processes together; only those that have a limit."""
        return {entry.kind: entry.concurrency for entry in self._entries.values() if entry.concurrency is not None}

    @property
    def tasks(self) -> set[str]:
        """The kinds whose handlers are `async def` and run on the event loop of the worker's own process."""
        return {entry.kind for entry in self._entries.values() if entry.task}

    @property
    def kinds(self) -> list[str]:
        """Every known kind, by name."""
        return sorted(self._entries)


#: Where `@job` puts its kinds.
REGISTRY = Registry()


@overload
def job(handler: F, /) -> F: ...
@overload
def job(
    *,
    name: str | None = None,
    queue: str = "default",
    priority: int = 0,
    max_attempts: int | None = None,
    timeout: float | None = None,
    concurrency: int | None = None,
    backoff: tuple[float, float] | OwnBackoff | None = None,
    retry_on: type[BaseException] | tuple[type[BaseException], ...] | None = None,
    give_up_on: type[BaseException] | tuple[type[BaseException], ...] = (),
    isolate: bool = False,
    registry: Registry | None = None,
) -> Callable[[F], F]: ...
def job(
    handler: F | None = None,
    /,
    *,
    name: str | None = None,
    queue: str = "default",
    priority: int = 0,
    max_attempts: int | None = None,
    timeout: float | None = None,
    concurrency: int | None = None,
    backoff: tuple[float, float] | OwnBackoff | None = None,
    retry_on: type[BaseException] | tuple[type[BaseException], ...] | None = None,
    give_up_on: type[BaseException] | tuple[type[BaseException], ...] = (),
    isolate: bool = False,
    registry: Registry | None = None,
) -> F | Callable[[F], F]:
    """Make a function, plain or `async`, the handler of a kind. The function itself is returned unchanged.

    Its signature is the model of the arguments: they are checked when a job is enqueued and again before
    it runs. What it returns is kept as the job's result, if it can be written as JSON.

    Args:
        handler: the function, where the decorator is used without parentheses.
        name: the kind; `module.function` when `None`.
        queue: the queue its jobs go to, unless enqueued elsewhere.
        priority: larger runs first.
        max_attempts: how often a job may start; JOBDECK_MAX_ATTEMPTS when `None`.
        timeout: seconds one attempt may take; JOBDECK_TIMEOUT when `None`.
        concurrency: how many of its jobs may run at once, in all processes together; `None` means no limit.
        backoff: the longest first pause and the longest of all, in seconds, (2, 3600) when `None`: each pause is drawn
            from up to twice as long as the one before (see `jobdeck.backoff`). Or a function that is given the attempt
            (1 for the first) and the error, and returns the seconds to pause; if it fails, the usual pause is made.
        retry_on: exception types that are worth another attempt; where given, every other one fails the job at once.
            `TimedOut` stands for an attempt that took too long.
        give_up_on: exception types that fail the job at once, whatever `retry_on` says.
        isolate: run it in a child process, one job at a time, which is killed with all that it started if the job
            does not stop when it is cancelled or has used up its time. The handler must be in a module, not in
            the program itself: the child imports what JOBDECK_APP names and the modules of handlers.
        registry: where to put it; the one that workers read when `None`.

    Raises:
        InvalidHandler: the function cannot be a handler, or its policy is none.
    """

    def register(function: F) -> F:
        kind = name or _kind(function)
        try:
            retries = Retries.of(backoff, retry_on, give_up_on)
        except ValueError as problem:
            raise InvalidHandler(f"{kind}: {problem}.") from None
        if concurrency is not None and concurrency < 1:
            raise InvalidHandler(f"{kind}: its concurrency must be at least 1.")
        entry = Entry(kind, function, queue, priority, max_attempts, timeout, concurrency, retries, isolate)
        (REGISTRY if registry is None else registry).add(entry)
        return function

    return register if handler is None else register(handler)


def _kind(function: Handler) -> str:
    module = function.__module__
    if module == "__main__":
        module = Path(getattr(sys.modules["__main__"], "__file__", "main") or "main").stem
    return f"{module.rpartition('.')[2]}.{function.__qualname__.rpartition('.')[2]}"


def load_apps(apps: Iterable[str]) -> None:
    """Import the modules that define kinds: dotted names, or paths that end in `.py`.

    The current folder is searched first, as `python -m` does.

    Raises:
        AppNotLoaded: one cannot be imported.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    for app in apps:
        try:
            if app.endswith(".py"):
                _load_file(Path(app))
            else:
                importlib.import_module(app)
        except AppNotLoaded:
            raise
        except ModuleNotFoundError as error:
            if error.name == app or app.startswith(f"{error.name}."):
                raise AppNotLoaded(app, f"there is no module {error.name!r} in {here} or on the Python path") from None
            raise AppNotLoaded(app, f"it imports {error.name!r}, which is not installed") from None
        except SystemExit as error:  # a script, perhaps, that parses a command line
            raise AppNotLoaded(app, f"its import ended the program (SystemExit: {error})") from error
        except Exception as error:
            raise AppNotLoaded(app, f"its import raised {type(error).__name__}: {error}") from error


def _load_file(path: Path) -> None:
    if not path.is_file():
        raise AppNotLoaded(str(path), "there is no such file")
    name = path.stem
    if name in sys.modules and getattr(sys.modules[name], "__file__", None) == str(path.resolve()):
        return
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise AppNotLoaded(str(path), "it is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
