"""The registry of kinds: kind → handler, arguments, policy. Only registered kinds can be enqueued."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, overload

from ..model.errors import AppImportError, InvalidHandler, KindTaken, UnknownKind
from ..model.foreign_errors import text_of, type_name
from ..model.jobs import Kind
from ..model.kind_names import SHELL, handler_kind
from .app_folder import add_current_folder, refuse_shadowed
from .arguments import Arguments
from .definition import Definition, Handler, default_name, is_same_source
from .retry_policy import CustomBackoff, RetryPolicy, type_names

F = TypeVar("F", bound=Handler)


@dataclass(frozen=True)
class Entry:
    """A kind, with its handler, defaults and policy."""

    kind: str
    handler: Handler
    queue: str = "default"
    priority: int = 0
    max_attempts: int | None = None
    timeout: float | None = None
    concurrency: int | None = None
    """Maximum number of running jobs, in all processes together."""
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    isolate: bool = False
    """Whether each job runs in a child process of its own, which can be killed."""

    @cached_property
    def is_async(self) -> bool:
        """Whether its handler is `async` and runs in the process of the worker."""
        return inspect.iscoroutinefunction(self.handler) and not self.isolate

    @cached_property
    def arguments(self) -> Arguments:
        """The arguments of its handler."""
        return Arguments(self.kind, self.handler)

    def check(self, args: Mapping[str, Any], limit: int) -> str:
        """See `Arguments.check`."""
        return self.arguments.check(args, limit)

    def load(self, args_json: str) -> dict[str, Any]:
        """See `Arguments.load`."""
        return self.arguments.load(args_json)

    def describe(self) -> Kind:
        """Return a description of the kind for a form or a help text."""
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
            backoff=self.retry_policy.bounds,
            retry_on=None if self.retry_policy.retry_on is None else type_names(self.retry_policy.retry_on),
            give_up_on=type_names(self.retry_policy.give_up_on),
        )


class Registry:
    """The allowlist of kinds."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries: dict[str, Entry] = {}
        self._definitions: dict[str, Definition] = {}
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Register the kind. If its handler was loaded again, for example by a reload, it replaces the earlier one.

        Raises:
            KindTaken: another function is registered under this name.
            InvalidHandler: the name is invalid, or the function is a generator, or takes `*args`, `**kwargs` or
                positional-only arguments.
        """
        if not 0 < len(entry.kind) <= 200 or not entry.kind.isprintable():
            raise InvalidHandler(f"{entry.kind[:200]!r}: the name of a kind must have 1 to 200 printable characters.")
        if handler_kind(entry.kind) != entry.kind:
            raise InvalidHandler(
                f"{entry.kind!r}: kinds that start with '{SHELL}:' are those of commands, such as {SHELL}:gzip."
            )
        for parameter in inspect.signature(entry.handler).parameters.values():
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise InvalidHandler(f"{entry.kind}: a handler must take named arguments only, not {str(parameter)!r}.")
            if type(parameter.default).__module__ == "pydantic.fields":
                way = f"write {parameter.name}: Annotated[…, Field(…)] instead, with the default after it"
                raise InvalidHandler(f"{entry.kind}: the default of {parameter.name!r} is not a value; {way}.")
        if inspect.isgeneratorfunction(entry.handler) or inspect.isasyncgenfunction(entry.handler):
            raise InvalidHandler(f"{entry.kind}: a handler must not be a generator; use a function without yield.")
        definition = Definition.of(entry.handler)
        known = self._definitions.get(entry.kind)
        if known is not None and not known.is_same(definition):
            raise KindTaken(entry.kind, str(known), str(definition))
        self._definitions[entry.kind] = definition
        self._entries[entry.kind] = entry

    def get(self, kind: str) -> Entry:
        """Return the entry of a kind; that of `shell` for a command such as `shell:gzip`.

        Raises:
            UnknownKind: the kind is not registered.
        """
        found = self.find(kind)
        if found is None:
            raise UnknownKind(kind, self._entries)
        return found

    def find(self, kind: str) -> Entry | None:
        """Return the entry of a kind as `get` does; `None` if it is not registered."""
        try:
            return self._entries[kind]
        except KeyError:  # a command, or unknown
            return self._entries.get(handler_kind(kind))

    def isolates(self, kind: str) -> bool:
        """Report whether each job of the kind gets a process of its own; `False` if the kind is not registered."""
        found = self.find(kind)
        return found is not None and found.isolate

    def kind_of(self, handler: Handler) -> str:
        """Return the kind of a registered handler. The handler may be from an earlier load of its module.

        Raises:
            UnknownKind: the handler is not registered.
        """
        for entry in self._entries.values():
            if entry.handler == handler:  # each access to a bound method creates a new object
                return entry.kind
        for entry in self._entries.values():
            if callable(handler) and is_same_source(entry.handler, handler):
                return entry.kind
        raise UnknownKind(getattr(handler, "__name__", repr(handler)), self._entries)

    def __contains__(self, kind: str) -> bool:
        return self.find(kind) is not None

    @property
    def limits(self) -> dict[str, int]:
        """Kind → maximum number of running jobs, in all processes together; kinds without a limit are omitted."""
        return {entry.kind: entry.concurrency for entry in self._entries.values() if entry.concurrency is not None}

    @property
    def async_kinds(self) -> set[str]:
        """The kinds whose handlers are `async` and run on the event loop in the process of the worker."""
        return {entry.kind for entry in self._entries.values() if entry.is_async}

    @property
    def kinds(self) -> list[str]:
        """The names of all kinds, sorted."""
        return sorted(self._entries)


#: The default registry of `@job`.
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
    backoff: tuple[float, float] | CustomBackoff | None = None,
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
    backoff: tuple[float, float] | CustomBackoff | None = None,
    retry_on: type[BaseException] | tuple[type[BaseException], ...] | None = None,
    give_up_on: type[BaseException] | tuple[type[BaseException], ...] = (),
    isolate: bool = False,
    registry: Registry | None = None,
) -> F | Callable[[F], F]:
    """Register a function, plain or `async`, as the handler of a kind, and return it unchanged.

    Arguments are validated against its signature when a job is enqueued, and again before the job runs. The return value
    is stored as the result of the job if it can be written as JSON.

    Args:
        handler: the function, if the decorator is used without parentheses.
        name: the kind; the full name of the function, such as `shop.tasks.send`, if `None`.
        queue: the default queue of its jobs.
        priority: the default priority; larger runs first.
        max_attempts: the maximum number of attempts; JOBDECK_MAX_ATTEMPTS if `None`.
        timeout: the timeout of an attempt in seconds; JOBDECK_TIMEOUT if `None`.
        concurrency: the maximum number of its running jobs, in all processes together; `None` means no limit.
        backoff: the first step and the maximum of the delay before a retry, in seconds; (2, 3600) if `None`. Each delay
            is random, up to a step that doubles with each attempt (see `jobdeck.model.backoff`). Or a function that
            receives the attempt (1 for the first) and the error, and returns the delay in seconds; if the function
            fails, the default delay is used.
        retry_on: the exception types that are retried; if set, all others fail the job without a retry. `TimedOut`
            stands for an attempt that exceeded its timeout.
        give_up_on: the exception types that fail the job without a retry, even if they are in `retry_on`.
        isolate: run each job in a child process of its own, which is killed, with all processes that it started, if
            the job does not stop after a cancellation or timeout. The handler must be in a module, not in the main
            program: the child imports the modules in JOBDECK_APP and those of the handlers.
        registry: the registry to use; the default registry of workers if `None`.

    Raises:
        InvalidHandler: the function cannot be a handler, or its policy is invalid.
        KindTaken: another function is registered under this name.
    """

    def register(function: F) -> F:
        handler: Any = function
        if not callable(handler):
            raise InvalidHandler(f"{str(handler)[:200]!r} is not a function; decorate one with @job or @job(name=…).")
        kind = name or default_name(function)
        try:
            retries = RetryPolicy.validate(backoff, retry_on, give_up_on)
        except ValueError as problem:
            raise InvalidHandler(f"{kind}: {problem}.") from None
        if concurrency is not None and concurrency < 1:
            raise InvalidHandler(f"{kind}: the concurrency must be at least 1.")
        # A static method is registered as the function that its class shows.
        if isinstance(handler, staticmethod):
            handler = handler.__func__
        entry = Entry(kind, handler, queue, priority, max_attempts, timeout, concurrency, retries, isolate)
        (REGISTRY if registry is None else registry).add(entry)
        return function

    return register if handler is None else register(handler)


def load_apps(apps: Iterable[str]) -> None:
    """Import the modules that define kinds: dotted names, or paths that end in `.py`.

    The current folder is searched last: its modules shadow neither Python's own nor installed ones, which jobdeck and the
    libraries that it needs may import later.

    Raises:
        AppImportError: a module cannot be imported.
    """
    here = add_current_folder()
    for app in apps:
        try:
            if app.endswith(".py"):
                _load_file(Path(app))
            else:
                refuse_shadowed(app, here)
                importlib.import_module(app)
        except AppImportError:
            raise
        except ModuleNotFoundError as error:
            if error.name == app or app.startswith(f"{error.name}."):
                where = "on the Python path"
                if here is not None:
                    where = f"in {here}{'' if os.access(here, os.R_OK | os.X_OK) else ' (which cannot be read)'} or {where}"
                raise AppImportError(app, f"no module {error.name!r} {where}") from None
            raise AppImportError(app, f"it imports {error.name!r}, which is not installed{_place_of(error)}") from None
        except SystemExit as error:  # for example, a script that parses a command line
            raise AppImportError(
                app, f"importing it exits the program (SystemExit: {text_of(error)}){_place_of(error)}"
            ) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            text = str(error.msg) if isinstance(error, SyntaxError) else text_of(error)
            raise AppImportError(app, f"importing it raised {type_name(error)}: {text}{_place_of(error)}") from error


def _place_of(error: BaseException) -> str:
    """Return the place in the user's code that an import failed at: ` (shop/tasks.py, line 7)`; empty if it is unknown."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({_relative(error.filename)}, line {error.lineno})"
    own, libraries = str(Path(__file__).parents[1]), (sys.prefix, sys.base_prefix)
    places = []
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith(("<", own)):
            places.append((file, trace.tb_lineno))
        trace = trace.tb_next
    # The user's own line, rather than the one of a library that it calls.
    users = [place for place in places if not place[0].startswith(libraries) and "site-packages" not in place[0]]
    if not places:
        return ""
    file, line = (users or places)[-1]
    return f" ({_relative(file)}, line {line})"


def _relative(file: str) -> str:
    """Return the path of a file, relative to the current folder if it is inside."""
    with suppress(OSError, ValueError):
        return str(Path(file).relative_to(Path.cwd()))
    return file


def _load_file(path: Path) -> None:
    """Load a Python file as the module that it is on the Python path; otherwise as a module of its own name."""
    if not path.is_file():
        raise AppImportError(str(path), "the file does not exist")
    file = str(path.resolve())
    if any(_file_of(module) == file for name, module in [*sys.modules.items()] if name != "__main__"):
        return
    parts = path.with_suffix("").parts
    if all(part.isidentifier() for part in parts):  # not `../app.py`, which no import reaches
        dotted = ".".join(parts)
        if _find_file(dotted) == file:
            importlib.import_module(dotted)
            return
    name = path.stem
    if name in sys.modules:
        where = _file_of(sys.modules[name]) or "Python itself"
        raise AppImportError(
            str(path), f"a module {name!r} is already loaded from {where}; rename the file, or give a dotted name"
        )
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise AppImportError(str(path), "it is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]  # as `import` does
        raise


def _file_of(module: object) -> str | None:
    file = getattr(module, "__dict__", {}).get("__file__")
    return None if file is None else str(Path(file).resolve())


def _find_file(module: str) -> str | None:
    """Return the file that an import of this module would load; `None` if there is none. Imports its packages."""
    importlib.invalidate_caches()  # the file may be new
    try:
        spec = importlib.util.find_spec(module)
    except (ModuleNotFoundError, ValueError) as error:  # one of the folders is a module, or `__main__` has no spec
        if isinstance(error, ModuleNotFoundError) and error.name and not module.startswith(error.name):
            raise
        return None
    return None if spec is None or spec.origin is None else str(Path(spec.origin).resolve())
