"""Records as JSON and back: what the server and the client of the API exchange for jobdeck's own commands and cockpit.

A record is an object of its members, without those that have their default; a mapping whose keys are no texts is a list of
pairs; an error is its class, its sentence and its data. The type that is expected chooses the reader, never what was sent.
"""

from __future__ import annotations

import types
from array import array
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from ..model import errors
from ..model.environment import mask_arguments_json
from ..model.errors import ArgumentProblem, JobdeckError

Read = Callable[[Any], Any]
_PLAIN = (str, int, float, bool)


def encode(value: Any) -> Any:
    """Return a record, or what holds records, as JSON values. Secrets in the arguments of commands are masked."""
    if value is None or type(value) in _PLAIN:
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return _encode_record(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, JobdeckError):
        return encode_error(value)
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {str(key): encode(each) for key, each in value.items()}
        return [[key, encode(each)] for key, each in value.items()]
    if isinstance(value, array):
        return value.tolist()
    if isinstance(value, (Sequence, AbstractSet)) and not isinstance(value, (str, bytes, bytearray)):
        return [encode(each) for each in value]
    return value if isinstance(value, _PLAIN) else str(value)


def _encode_record(record: Any) -> dict[str, Any]:
    found = {}
    for name, default in _members(type(record)):
        value = getattr(record, name)
        if value is not default and (default is MISSING or value != default):
            found[name] = encode(value)
    if "args_json" in found and "kind" in found:
        found["args_json"] = mask_arguments_json(record.kind, record.args_json)
    return found


def _members(record: type[Any]) -> tuple[tuple[str, Any], ...]:
    found = _MEMBERS.get(record)
    if found is None:
        found = _MEMBERS[record] = tuple((each.name, each.default) for each in fields(record))
    return found


_MEMBERS: dict[type[Any], tuple[tuple[str, Any], ...]] = {}
"""Type of records → its members and their defaults."""


def encode_error(error: JobdeckError) -> dict[str, Any]:
    """Return an error as JSON values; what it may know of the server's paths and addresses is left out."""
    from .problems import RULES, describe  # imported late: the framework is an extra, and only the server describes errors

    rule = next(RULES[base] for base in type(error).__mro__ if base in RULES)
    known = next(base for base in type(error).__mro__ if getattr(errors, base.__name__, None) is base)
    data = {} if rule.detail is not None else {name: encode(value) for name, value in vars(error).items() if name != "pointer"}
    return {"error": known.__name__, "sentence": describe(error), "data": data}


def decode_error(document: Mapping[str, Any]) -> JobdeckError:
    """Return an error that was encoded; one of an unknown class is a plain `JobdeckError`."""
    found = getattr(errors, str(document["error"]), None)
    kind = found if isinstance(found, type) and issubclass(found, JobdeckError) else JobdeckError
    error = kind.__new__(kind)
    error.args = (str(document["sentence"]),)
    for name, value in dict(document["data"]).items():
        setattr(error, name, tuple(value) if isinstance(value, list) else value)
    if isinstance(error, errors.InvalidArguments):
        error.problems = tuple(ArgumentProblem(tuple(path), problem) for path, problem in error.problems)
    return error


@cache
def reader_of(expected: Any) -> Read:
    """Return what makes values of this type from JSON values. It raises ValueError, TypeError or KeyError for others."""
    origin, inner = get_origin(expected), get_args(expected)
    if origin in (Union, types.UnionType):
        return _union_reader(inner)
    if isinstance(expected, type) and is_dataclass(expected):
        return _record_reader(expected)
    if isinstance(expected, type) and issubclass(expected, JobdeckError):
        return decode_error
    if isinstance(expected, type) and issubclass(expected, Enum):
        return expected
    if expected is array or origin is array:
        return lambda value: array("q", value)
    if origin is tuple:
        return _tuple_reader(inner)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping_reader(*inner)
    if isinstance(origin, type) and issubclass(origin, (Sequence, AbstractSet)):
        read = reader_of(inner[0])
        make: Callable[[Any], Any] = frozenset if issubclass(origin, AbstractSet) else list
        return lambda value: make(map(read, value))
    return _same


def _same(value: Any) -> Any:
    return value


def _union_reader(alternatives: tuple[Any, ...]) -> Read:
    rest = [each for each in alternatives if each is not types.NoneType]
    if len(rest) != 1:
        return _same  # of plain values
    read = reader_of(rest[0])
    return lambda value: None if value is None else read(value)


def _tuple_reader(inner: tuple[Any, ...]) -> Read:
    if len(inner) == 2 and inner[1] is Ellipsis:
        read = reader_of(inner[0])
        return lambda value: tuple(map(read, value))
    readers = [reader_of(each) for each in inner]
    return lambda value: tuple(read(each) for read, each in zip(readers, value, strict=True))


def _mapping_reader(key: Any, value: Any) -> Read:
    read_key, read_value = reader_of(key), reader_of(value)

    def read(given: Any) -> dict[Any, Any]:
        pairs = given.items() if isinstance(given, dict) else given
        return {read_key(each): read_value(found) for each, found in pairs}

    return read


def _record_reader(record: type[Any]) -> Read:
    readers: dict[str, Read] = {}

    def read(given: Any) -> Any:
        if not readers:  # resolved late: records may hold records of their own type
            hints = get_type_hints(record)
            readers.update({each.name: reader_of(hints[each.name]) for each in fields(record)})
        return record(**{name: readers[name](value) for name, value in given.items()})

    return read
