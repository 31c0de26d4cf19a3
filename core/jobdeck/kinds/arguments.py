"""Validate the arguments of a kind against the signature of its handler, at the enqueue and before each run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from functools import cached_property
from json import encoder
from json.encoder import encode_basestring
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from ..json_functions import json
from ..model.errors import ArgumentProblem, ArgumentsMismatch, ArgumentsTooLarge, InvalidArguments, InvalidHandler
from ..model.jobs import Parameter
from ..model.suggestions import did_you_mean
from . import undecodable_bytes

SAFE_DEPTH = 190
"""A depth of nested arrays and objects that can always be parsed: the validation library stops at 200."""
Check = Callable[[Any], bool]
"""A function that returns whether a value has exactly the type of an annotation."""
_PROBLEMS = 100
"""The number of wrong arguments that an error reports at most."""
_REQUIRED = inspect.Parameter.empty
"""The default of a parameter that has none."""
_IMMUTABLE = (NoneType, bool, int, float, str, bytes)
"""Types of defaults that a handler cannot change."""

# `json.loads` and `json.dumps` process their options in each call, and they are called for each job.
_read = json.JSONDecoder().raw_decode
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_write = _encoder.encode
# Nor does `encode` keep what does the work, which it makes in each call. Without containers, nothing can refer to itself.
_make_encoder: Any = getattr(encoder, "c_make_encoder", None)
_write_scalars: Any = _make_encoder and _make_encoder(
    None, _encoder.default, encode_basestring, None, ":", ",", False, False, True
)
_SCALARS = (str, int, float, bool, type(None))


class Arguments:
    """The arguments that a handler accepts."""

    def __init__(self, kind: str, handler: Callable[..., Any]) -> None:
        self._kind = kind
        self._handler = handler

    # -- check and load ----------------------------------------------------------------------------

    def check(self, args: Mapping[str, Any], limit: int) -> str:
        """Check the arguments against the signature of the handler and return those that are given as JSON.

        Defaults are not part of it: they are those of the handler that runs the job, perhaps of another version.

        Raises:
            InvalidArguments: one is missing, unknown or of the wrong type, or a handler would not get what is given; the
                error names it.
            ArgumentsTooLarge: the JSON is longer than `limit` bytes.
        """
        if not isinstance(args, Mapping):
            raise InvalidArguments(self._kind, "*", f"must be an object of arguments by name, not {type(args).__name__}")
        for name in args:
            if not isinstance(name, str):
                raise InvalidArguments(self._kind, repr(name), "must be a string")
        text = self.plain_json(args)
        if text is None:
            text = self._validated_json(args)
        size = len(text) if text.isascii() else len(text.encode())
        if size > limit:
            raise ArgumentsTooLarge(self._kind, size, limit)
        return text

    def _validated_json(self, args: Mapping[str, Any]) -> str:
        try:
            hidden = undecodable_bytes.hide_bytes(dict(args))
        except RecursionError:
            hidden = args
        model = self.validate(hidden, from_json=False)
        text = self._dump(model)
        if all(hidden.get(name) is args[name] for name in args):
            return text
        for name in model.model_fields_set:
            if not undecodable_bytes.shows_all(_to_json(model, {name}), {name: getattr(model, name)}):
                problem = "holds bytes that are not UTF-8, which only texts and paths can; pass it as text, or encode it"
                raise InvalidArguments(self._kind, name.removeprefix("arg_"), problem)
        return undecodable_bytes.show_escapes(text)

    def _dump(self, model: Any) -> str:
        """Return validated arguments as JSON, from which a worker loads the same values again.

        Raises:
            InvalidArguments: it would load other values, or none; the error names the first such argument.
        """
        from .round_trip import Difference, find_difference  # imported late: commands like `enqueue shell` need none of it

        given = model.model_fields_set
        try:
            text = _to_json(model, given)
        except Exception as error:  # serializers are code of foreign types
            problem = f"cannot be stored as JSON ({one_line(error)}); pass it as text, or pass a reference to it"
            raise InvalidArguments(self._kind, _find_unwritable(model, given), problem) from None
        if text.count("[") + text.count("{") > SAFE_DEPTH:
            self._check_depth(text)
        try:
            loaded = self.validate(text, from_json=True)
        except InvalidArguments as error:
            problem = f"cannot be loaded again from the JSON that would be stored: it {error.problem}"
            field = _find_unwritable(model, given) if error.field == "*" else error.field
            raise InvalidArguments(self._kind, field, f"{problem}; use a type that loads what it writes") from None
        for name in given:
            path = (name.removeprefix("arg_"),)
            try:
                difference = find_difference(getattr(model, name), getattr(loaded, name), path)
            except RecursionError:
                difference = Difference(path, "refers to itself, or is nested too deeply to be compared with what is stored")
            if difference is not None:
                problems = (ArgumentProblem(tuple(difference.path), difference.problem),)
                raise InvalidArguments(self._kind, ".".join(difference.path), difference.problem, problems)
        return text

    def _check_depth(self, text: str) -> None:
        """Raise `InvalidArguments` if the library cannot parse the text again: it writes deeper nesting than it reads."""
        from pydantic_core import from_json

        try:
            from_json(text)
        except ValueError:
            problem = f"are nested too deeply; the limit is about {SAFE_DEPTH} levels of lists and objects"
            raise InvalidArguments(self._kind, "*", problem) from None

    def load(self, args_json: str) -> dict[str, Any]:
        """Return the arguments of a stored job in the types of the handler.

        Raises:
            ArgumentsMismatch: they do not match the signature of this handler.
            InvalidArguments: they are not a JSON object.
        """
        plain = self.plain_values(args_json)
        if plain is not None:
            return plain
        holds_bytes = undecodable_bytes.holds_escapes(args_json)
        try:
            model = self.validate(undecodable_bytes.hide_escapes(args_json) if holds_bytes else args_json, from_json=True)
        except InvalidArguments as error:
            if error.field == "*" and not _is_object(args_json):
                raise InvalidArguments(self._kind, "*", "is stored as something else than a JSON object") from None
            raise ArgumentsMismatch(self._kind, error.field, error.problem) from None
        values = {name.removeprefix("arg_"): getattr(model, name) for name in type(model).model_fields}
        return {name: undecodable_bytes.show_bytes(value) for name, value in values.items()} if holds_bytes else values

    # -- without the library -----------------------------------------------------------------------

    def plain_json(self, args: Mapping[str, Any]) -> str | None:
        """Return the arguments as JSON if each has exactly the plain type of its annotation; otherwise `None`.

        This avoids the import of the validation library for simple arguments: `jobdeck enqueue` is called in shell
        loops. All other arguments, and all errors, are left to the library.
        """
        values = {}
        for name, (fits, default) in self._signature.items():
            if name in args:
                value = values[name] = args[name]
                if not fits(value):
                    return None
            elif default is _REQUIRED:
                return None
        if len(values) != len(args):  # some are unknown
            return None
        if _write_scalars is not None and all(type(value) in _SCALARS for value in values.values()):
            text = "".join(_write_scalars(values, 0))
        else:
            text = _write(values)
        return text if text.isascii() else _storable(text)

    def plain_values(self, args_json: str) -> dict[str, Any] | None:
        """Return the stored arguments if each has exactly its type and none is missing or unknown; otherwise `None`.

        Those that were not given are left to the defaults of the handler, unless a job could change these for the next.
        """
        try:
            values, end = _read(args_json)
        except (ValueError, RecursionError):
            return None
        signature = self._signature
        if type(values) is not dict or end != len(args_json):
            return None
        known = 0
        for name, (fits, default) in signature.items():
            if name in values:
                known += 1
                if not fits(values[name]):
                    return None
            elif type(default) not in _IMMUTABLE:  # among them those without a default
                return None
        if known != len(values) or ("\\u" in args_json and _storable(_write(values)) is None):
            return None
        return values

    @cached_property
    def _signature(self) -> dict[str, tuple[Check, Any]]:
        """Argument → check of its type, and its default. Cached, as `inspect` takes longer than all the checks."""
        return {each.name: (exact_type_check(annotation), each.default) for each, annotation in self._parameters()}

    def _parameters(self) -> list[tuple[inspect.Parameter, Any]]:
        try:
            hints = inspect.get_annotations(self._handler, eval_str=True)
        except Exception as error:
            raise InvalidHandler(f"{self._kind}: the annotations of its handler cannot be evaluated: {error}.") from error
        parameters = inspect.signature(self._handler).parameters.values()
        return [(each, hints.get(each.name, Any)) for each in parameters]

    # -- with the validation library ---------------------------------------------------------------

    @cached_property
    def _model(self) -> Any:
        # Imported late: commands that only read jobs do not need the validation library.
        from pydantic import ConfigDict, Field, create_model

        fields: dict[str, Any] = {}
        for parameter, annotation in self._parameters():
            default = ... if parameter.default is parameter.empty else parameter.default
            # A prefix prevents names such as `copy` or `model_config` from clashing with attributes of the model.
            fields[f"arg_{parameter.name}"] = (annotation, Field(default, alias=parameter.name))
        # JSON cannot represent nan and infinity.
        config = ConfigDict(extra="forbid", allow_inf_nan=False)
        try:
            return create_model(self._kind, __config__=config, **fields)
        except Exception as error:  # an unsupported type can raise any error in the library
            raise InvalidHandler(f"{self._kind}: the types of its arguments are not supported: {one_line(error)}.") from error

    def validate(self, args: Any, *, from_json: bool) -> Any:
        """Validate the arguments with the validation library. Raises `InvalidArguments`."""
        from pydantic import ValidationError

        try:
            if from_json:
                return self._model.model_validate_json(args)
            # The values are Python objects here; `check` then writes the validated ones as JSON.
            return self._model.model_validate(dict(args))
        except ValidationError as errors:
            # A mistyped name is the reason why another one is missing: it comes first.
            found = sorted(errors.errors(include_url=False)[:_PROBLEMS], key=lambda each: not _is_unknown(each))
            problems = tuple(ArgumentProblem(tuple(map(str, each["loc"])), self._describe_problem(each)) for each in found)
            first = problems[0]
            raise InvalidArguments(self._kind, ".".join(first.path) or "*", first.problem, problems) from None

    def _describe_problem(self, error: Mapping[str, Any]) -> str:
        problem = _problem(error, show_input=not self._holds_secrets)
        if _is_unknown(error):
            problem += did_you_mean(str(error["loc"][0]), [parameter.name for parameter, _ in self._parameters()])
        return problem

    @cached_property
    def _holds_secrets(self) -> bool:
        """Return whether an argument is a secret or contains one, so that no value may appear in an error message."""
        return "Secret" in repr(self._model.__pydantic_core_schema__)

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema (draft 2020-12) of the arguments; that of any object if their types have none."""
        from pydantic.errors import PydanticUserError

        try:
            schema = self._model.model_json_schema(by_alias=True)
        except PydanticUserError:  # also that a type has no schema
            return {"title": self._kind, "type": "object"}
        return {str(name): value for name, value in schema.items()}

    # -- description -------------------------------------------------------------------------------

    def describe(self) -> tuple[Parameter, ...]:
        """Return the parameters for a form or a help text."""
        return tuple(_parameter(each, annotation) for each, annotation in self._parameters())


def _storable(text: str) -> str | None:
    """Return JSON as UTF-8 can represent it; `None` if a lone surrogate in it stands for no byte, which the library refuses."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = undecodable_bytes.escape_bytes(text)
        try:
            text.encode()
        except UnicodeEncodeError:
            return None
    return text


def _is_object(text: str) -> bool:
    try:
        return type(json.loads(text)) is dict
    except (ValueError, RecursionError):
        return False


def _to_json(model: Any, names: AbstractSet[str]) -> str:
    """Return these fields as JSON.

    Raises:
        ValueError: a value cannot be written, or only as a number that JSON does not have. Serializers may raise anything.
    """
    text = str(model.model_dump_json(by_alias=True, round_trip=True, include=names, warnings=False))
    if "NaN" in text or "Infinity" in text:
        from pydantic_core import from_json

        from_json(text, allow_inf_nan=False)
    return text


def _find_unwritable(model: Any, names: AbstractSet[str]) -> str:
    """Return the name of the first argument that cannot be written as JSON, or read from it."""
    from pydantic_core import from_json

    for name in names:
        try:
            from_json(_to_json(model, {name}))
        except Exception:
            return name.removeprefix("arg_")
    return "*"


def one_line(error: Exception) -> str:
    """Return the message of the error on one line, for use inside a sentence."""
    return " ".join(str(error).split()).rstrip(".")


def exact_type_check(annotation: Any) -> Check:
    """Return a check of whether a value has exactly this type; it always fails for types that JSON does not have."""
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
        checks = [exact_type_check(each) for each in inner]
        return lambda value: any(check(value) for check in checks)
    if origin is list:
        items = exact_type_check(inner[0])
        return lambda value: type(value) is list and all(map(items, value))
    if origin is dict and inner[0] is str:
        values = exact_type_check(inner[1])
        return lambda value: (
            type(value) is dict and all(type(name) is str for name in value) and all(map(values, value.values()))
        )
    return lambda _: False


def _is_unknown(error: Mapping[str, Any]) -> bool:
    """Return whether an argument of that name does not exist."""
    return error["type"] == "extra_forbidden" and len(error["loc"]) == 1


def _problem(error: Mapping[str, Any], *, show_input: bool) -> str:
    match error["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is unknown to this kind"
    message = str(error["msg"])
    message = message[:1].lower() + message[1:]
    if not show_input:
        return f"is invalid: {message}"
    received = json.dumps(error.get("input"), default=str)
    if len(received) > 60:
        received = received[:57] + "…"
    return f"is invalid: {message}, got {received}"


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
