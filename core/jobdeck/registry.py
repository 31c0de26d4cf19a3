"""Which kinds there are: kind → handler, argument model, policy. Nothing else may be enqueued."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from math import isfinite
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, overload

from .errors import AppNotLoaded, ArgumentsTooLarge, InvalidArguments, InvalidHandler, UnknownKind
from .jobs import Kind, Parameter

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
    isolate: bool = False
    """Whether it runs in a child process of its own, which can be killed."""

    @cached_property
    def _model(self) -> Any:
        # Imported late: commands that only look at jobs need no validation library.
        from pydantic import ConfigDict, create_model

        fields: dict[str, Any] = {}
        hints = self._hints()
        for parameter in inspect.signature(self.handler).parameters.values():
            annotation = hints.get(parameter.name, Any)
            default = ... if parameter.default is parameter.empty else parameter.default
            # A prefix keeps names such as `copy` or `model_config` from meeting the model's own attributes.
            fields[f"arg_{parameter.name}"] = (annotation, _field(parameter.name, default))
        # JSON has no word for nan and infinity.
        config = ConfigDict(extra="forbid", allow_inf_nan=False)
        try:
            return create_model(self.kind, __config__=config, **fields)
        except Exception as error:  # whatever a library thinks of a type that it does not know
            raise InvalidHandler(f"{self.kind}: its arguments cannot be checked: {one_line(error)}.") from error

    def _hints(self) -> dict[str, Any]:
        try:
            return inspect.get_annotations(self.handler, eval_str=True)
        except Exception as error:
            raise InvalidHandler(f"{self.kind}: its annotations cannot be read: {error}.") from error

    def check(self, args: Mapping[str, Any], limit: int) -> str:
        """Check the arguments against the handler's signature; returns them as JSON.

        Raises:
            InvalidArguments: one is missing, unknown or of the wrong type; the error names it.
            ArgumentsTooLarge: the JSON is longer than `limit` bytes.
        """
        if not isinstance(args, Mapping):
            raise InvalidArguments(self.kind, "*", f"are given by name, as an object, not as {type(args).__name__}")
        for name in args:
            if not isinstance(name, str):
                raise InvalidArguments(self.kind, repr(name), "is not a name")
        text = self._plain_json(args)
        if text is None:
            model = self._validate(args, from_json=False)
            try:
                text = str(model.model_dump_json(by_alias=True))
            except ValueError as problem:
                raise InvalidArguments(self.kind, "*", f"cannot be stored as JSON ({one_line(problem)})") from None
        size = len(text.encode())
        if size > limit:
            raise ArgumentsTooLarge(self.kind, size, limit)
        return text

    def _plain_json(self, args: Mapping[str, Any]) -> str | None:
        """The arguments as JSON if each is exactly of the plain type that its annotation names; otherwise `None`.

        What is right at first sight need not wait for the import of a validation library: `jobdeck enqueue`
        is called in shell loops. Everything else, and every refusal, is the library's.
        """
        signature = self._signature
        if not args.keys() <= signature.keys():
            return None
        values = {name: args.get(name, default) for name, (_, default) in signature.items()}
        if not all(_is_plainly(value, signature[name][0]) for name, value in values.items()):
            return None
        text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
        try:
            text.encode()
        except UnicodeEncodeError:  # lone surrogates
            return None
        return text

    @cached_property
    def _signature(self) -> dict[str, tuple[Any, Any]]:
        """Argument → its annotation, and its default; `inspect` takes longer than all the checks."""
        hints = self._hints()
        parameters = inspect.signature(self.handler).parameters.values()
        return {each.name: (hints.get(each.name, Any), each.default) for each in parameters}

    def load(self, args_json: str) -> dict[str, Any]:
        """The arguments of a stored job, as the handler takes them.

        Raises:
            InvalidArguments: they do not fit the signature (any more).
        """
        model = self._validate(args_json, from_json=True)
        return {name.removeprefix("arg_"): getattr(model, name) for name in type(model).model_fields}

    def _validate(self, args: Any, *, from_json: bool) -> Any:
        from pydantic import ValidationError

        try:
            if from_json:
                return self._model.model_validate_json(args)
            # Through JSON rules, so that what is checked now is what the worker will read later.
            return self._model.model_validate(dict(args))
        except ValidationError as errors:
            first = errors.errors(include_url=False)[0]
            path = [str(part) for part in first["loc"]]
            raise InvalidArguments(self.kind, ".".join(path) or "*", _problem(first)) from None

    def describe(self) -> Kind:
        """The kind as a form or a help text needs it."""
        hints = self._hints()
        return Kind(
            name=self.kind,
            queue=self.queue,
            priority=self.priority,
            max_attempts=self.max_attempts,
            timeout=self.timeout,
            isolate=self.isolate,
            doc=(inspect.getdoc(self.handler) or "").partition("\n\n")[0].replace("\n", " "),
            parameters=tuple(
                _parameter(each, hints.get(each.name, Any)) for each in inspect.signature(self.handler).parameters.values()
            ),
        )


def one_line(error: Exception) -> str:
    """What the error says, for use inside a sentence."""
    return " ".join(str(error).split()).rstrip(".")


def _is_plainly(value: Any, annotation: Any) -> bool:
    """Whether the value is of exactly this type, and the type one that JSON has."""
    if annotation is None or annotation is NoneType:
        return value is None
    if annotation is float:
        return type(value) is float and isfinite(value)
    if annotation is int:
        return type(value) is int and abs(value) < 1 << 63
    if annotation in (str, bool):
        return type(value) is annotation
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return type(value) is str and value in inner
    if origin in (Union, UnionType):
        return any(_is_plainly(value, each) for each in inner)
    if origin is list:
        return type(value) is list and all(_is_plainly(each, inner[0]) for each in value)
    if origin is dict and inner[0] is str:
        return type(value) is dict and all(type(name) is str and _is_plainly(each, inner[1]) for name, each in value.items())
    return False


def _field(name: str, default: Any) -> Any:
    from pydantic import Field

    return Field(default, alias=name)


def _problem(error: Mapping[str, Any]) -> str:
    match error["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not one that this kind takes"
    message = str(error["msg"])
    message = message[:1].lower() + message[1:]
    shown = json.dumps(error.get("input"), default=str)
    if len(shown) > 60:
        shown = shown[:57] + "…"
    return f"is wrong: {message}, got {shown}"


def _parameter(parameter: inspect.Parameter, annotation: Any) -> Parameter:
    from typing import Annotated

    doc = ""
    if get_origin(annotation) is Annotated:
        annotation, *extras = get_args(annotation)
        doc = next((extra for extra in extras if isinstance(extra, str)), "") or next(
            (str(extra.description) for extra in extras if getattr(extra, "description", None)), ""
        )
    choices: tuple[Any, ...] = ()
    if get_origin(annotation) is Literal:
        choices = get_args(annotation)
    elif inspect.isclass(annotation) and issubclass(annotation, Enum):
        choices = tuple(member.value for member in annotation)
    elif annotation is bool:
        choices = (True, False)
    required = parameter.default is parameter.empty
    return Parameter(
        name=parameter.name,
        type=inspect.formatannotation(annotation) if annotation is not Any else "any",
        required=required,
        default=None if required else parameter.default,
        choices=choices,
        doc=doc,
    )


class Registry:
    """The allow-list of kinds."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries = {entry.kind: entry for entry in entries}

    def add(self, entry: Entry) -> None:
        """Make the kind known. A later handler of the same kind takes the place of the earlier one.

        Raises:
            InvalidHandler: the name cannot be one, or the function takes `*args`, `**kwargs` or positional-only
                arguments.
        """
        if not 0 < len(entry.kind) <= 200 or not entry.kind.isprintable():
            raise InvalidHandler(f"{entry.kind[:200]!r}: the name of a kind has 1 to 200 printable characters.")
        for parameter in inspect.signature(entry.handler).parameters.values():
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise InvalidHandler(f"{entry.kind}: a handler takes named arguments only, not {str(parameter)!r}.")
        if inspect.iscoroutinefunction(entry.handler):
            raise InvalidHandler(f"{entry.kind}: async handlers are not supported yet; use a plain function.")
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
    isolate: bool = False,
    registry: Registry | None = None,
) -> F | Callable[[F], F]:
    """Make a function the handler of a kind. The function itself is returned unchanged.

    Its signature is the model of the arguments: they are checked when a job is enqueued and again before
    it runs. What it returns is kept as the job's result, if it can be written as JSON.

    Args:
        handler: the function, where the decorator is used without parentheses.
        name: the kind; `module.function` when `None`.
        queue: the queue its jobs go to, unless enqueued elsewhere.
        priority: larger runs first.
        max_attempts: how often a job may start; JOBDECK_MAX_ATTEMPTS when `None`.
        timeout: seconds one attempt may take; JOBDECK_TIMEOUT when `None`.
        isolate: run it in a child process, one job at a time, which is killed with all that it started if the job
            does not stop when it is cancelled or has used up its time. The handler must be in a module, not in
            the program itself: the child imports what JOBDECK_APP names and the modules of handlers.
        registry: where to put it; the one that workers read when `None`.

    Raises:
        InvalidHandler: the function cannot be a handler.
    """

    def register(function: F) -> F:
        entry = Entry(name or _kind(function), function, queue, priority, max_attempts, timeout, isolate=isolate)
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
