"""The arguments of a kind: its handler's signature is their model. Checked at the enqueue, and again before the run."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cached_property
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from ..model.errors import ArgumentsTooLarge, InvalidArguments, InvalidHandler
from ..model.jobs import Parameter

DEEP = 190
"""Arrays and objects inside one another that are certain to be read again: the validation library stops at 200."""
Check = Callable[[Any], bool]
"""Whether a value is plainly of the type that an annotation names."""

# `json.loads` and `json.dumps` look at their options each time, and these are called once a job.
_read = json.JSONDecoder().raw_decode
_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Arguments:
    """What a handler takes."""

    def __init__(self, kind: str, handler: Callable[..., Any]) -> None:
        self._kind = kind
        self._handler = handler

    # -- in and out -------------------------------------------------------------------------------

    def check(self, args: Mapping[str, Any], limit: int) -> str:
        """Check the arguments against the handler's signature; returns them as JSON.

        Raises:
            InvalidArguments: one is missing, unknown or of the wrong type; the error names it.
            ArgumentsTooLarge: the JSON is longer than `limit` bytes.
        """
        if not isinstance(args, Mapping):
            raise InvalidArguments(self._kind, "*", f"are given by name, as an object, not as {type(args).__name__}")
        for name in args:
            if not isinstance(name, str):
                raise InvalidArguments(self._kind, repr(name), "is not a name")
        text = self.plain_json(args)
        if text is None:
            model = self.validate(args, from_json=False)
            try:
                text = str(model.model_dump_json(by_alias=True))
            except ValueError as problem:
                raise InvalidArguments(self._kind, "*", f"cannot be stored as JSON ({one_line(problem)})") from None
            if text.count("[") + text.count("{") > DEEP:
                self._check_depth(text)
        size = len(text) if text.isascii() else len(text.encode())
        if size > limit:
            raise ArgumentsTooLarge(self._kind, size, limit)
        return text

    def _check_depth(self, text: str) -> None:
        """The library writes what is nested deeper than it reads. Raises `InvalidArguments`."""
        from pydantic_core import from_json

        try:
            from_json(text)
        except ValueError:
            problem = f"nests lists and objects too deep; {DEEP} in one another is safe"
            raise InvalidArguments(self._kind, "*", problem) from None

    def load(self, args_json: str) -> dict[str, Any]:
        """The arguments of a stored job, as the handler takes them.

        Raises:
            InvalidArguments: they do not fit the signature (any more).
        """
        plain = self.plain_values(args_json)
        if plain is not None:
            return plain
        model = self.validate(args_json, from_json=True)
        return {name.removeprefix("arg_"): getattr(model, name) for name in type(model).model_fields}

    # -- at first sight ---------------------------------------------------------------------------

    def plain_json(self, args: Mapping[str, Any]) -> str | None:
        """The arguments as JSON if each is exactly of the plain type that its annotation names; otherwise `None`.

        What is right at first sight need not wait for the import of a validation library: `jobdeck enqueue`
        is called in shell loops. Everything else, and every refusal, is the library's.
        """
        signature = self._signature
        if not args.keys() <= signature.keys():
            return None
        values = {}
        for name, (fits, default) in signature.items():
            value = args.get(name, default)
            if not fits(value):
                return None
            values[name] = value
        text = _write(values)
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:  # lone surrogates
                return None
        return text

    def plain_values(self, args_json: str) -> dict[str, Any] | None:
        """The stored arguments if all are there and each is plainly of its type; otherwise `None`: ask the library."""
        try:
            values, end = _read(args_json)
        except (ValueError, RecursionError):
            return None
        signature = self._signature
        if type(values) is not dict or len(values) != len(signature) or end != len(args_json):
            return None
        for name, (fits, _) in signature.items():
            if name not in values or not fits(values[name]):
                return None
        if "\\u" in args_json:  # may be a lone surrogate, which the library refuses
            return None
        return values

    @cached_property
    def _signature(self) -> dict[str, tuple[Check, Any]]:
        """Argument → what it is to fit, and its default; `inspect` takes longer than all the checks."""
        return {each.name: (plainly(annotation), each.default) for each, annotation in self._parameters()}

    def _parameters(self) -> list[tuple[inspect.Parameter, Any]]:
        try:
            hints = inspect.get_annotations(self._handler, eval_str=True)
        except Exception as error:
            raise InvalidHandler(f"{self._kind}: its annotations cannot be read: {error}.") from error
        parameters = inspect.signature(self._handler).parameters.values()
        return [(each, hints.get(each.name, Any)) for each in parameters]

    # -- with the validation library --------------------------------------------------------------

    @cached_property
    def _model(self) -> Any:
        # Imported late: commands that only look at jobs need no validation library.
        from pydantic import ConfigDict, Field, create_model

        fields: dict[str, Any] = {}
        for parameter, annotation in self._parameters():
            default = ... if parameter.default is parameter.empty else parameter.default
            # A prefix keeps names such as `copy` or `model_config` from meeting the model's own attributes.
            fields[f"arg_{parameter.name}"] = (annotation, Field(default, alias=parameter.name))
        # JSON has no word for nan and infinity.
        config = ConfigDict(extra="forbid", allow_inf_nan=False)
        try:
            return create_model(self._kind, __config__=config, **fields)
        except Exception as error:  # whatever a library thinks of a type that it does not know
            raise InvalidHandler(f"{self._kind}: its arguments cannot be checked: {one_line(error)}.") from error

    def validate(self, args: Any, *, from_json: bool) -> Any:
        """What the validation library makes of them. Raises `InvalidArguments`."""
        from pydantic import ValidationError

        try:
            if from_json:
                return self._model.model_validate_json(args)
            # Through JSON rules, so that what is checked now is what the worker will read later.
            return self._model.model_validate(dict(args))
        except ValidationError as errors:
            first = errors.errors(include_url=False)[0]
            path = [str(part) for part in first["loc"]]
            raise InvalidArguments(self._kind, ".".join(path) or "*", _problem(first)) from None

    # -- for a form -------------------------------------------------------------------------------

    def describe(self) -> tuple[Parameter, ...]:
        """Each argument as a form or a help text needs it."""
        return tuple(_parameter(each, annotation) for each, annotation in self._parameters())


def one_line(error: Exception) -> str:
    """What the error says, for use inside a sentence."""
    return " ".join(str(error).split()).rstrip(".")


def plainly(annotation: Any) -> Check:
    """Whether a value is of exactly this type, and the type one that JSON has: the check, made once."""
    if annotation is None or annotation is NoneType:
        return lambda value: value is None
    if annotation is float:
        return lambda value: type(value) is float and isfinite(value)
    if annotation is int:
        return lambda value: type(value) is int and -1 << 63 < value < 1 << 63
    if annotation is str:
        return lambda value: type(value) is str
    if annotation is bool:
        return lambda value: type(value) is bool
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return lambda value: type(value) is str and value in inner
    if origin in (Union, UnionType):
        checks = [plainly(each) for each in inner]
        return lambda value: any(check(value) for check in checks)
    if origin is list:
        items = plainly(inner[0])
        return lambda value: type(value) is list and all(map(items, value))
    if origin is dict and inner[0] is str:
        held = plainly(inner[1])
        return lambda value: type(value) is dict and all(type(name) is str for name in value) and all(map(held, value.values()))
    return lambda _: False


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
