"""Compare validated arguments with those that a worker would load from their JSON, type by type.

What the validation library writes is not always what it reads: a secret is written as asterisks, a subclass without its own
fields, a tuple in an `Any` as a list. Equality alone does not notice: `True == 1 == 1.0`, and two times are equal in
different zones.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, time
from decimal import Decimal
from types import NoneType
from typing import Any

from ..model.record_class import record

_PLAIN = (str, int, bool, NoneType, bytes)
_LONGEST = 60
"""The maximum number of characters of a value in a message."""


@record
class Difference:
    """The first difference between an argument and what the handler would get."""

    path: tuple[str, ...]
    """Its place, from the name of the argument inwards."""
    problem: str
    """The difference, and what to do about it: the end of a sentence that starts with the name of the argument."""


def find_difference(given: Any, loaded: Any, path: tuple[str, ...]) -> Difference | None:
    """Return the first difference between a validated argument and its loaded counterpart; `None` if they are the same.

    Args:
        given: the value as validated at the enqueue.
        loaded: the value as loaded from the JSON that would be stored.
        path: the path of the value.
    """
    kind = type(given)
    if kind is type(loaded) and kind in _PLAIN:
        return None if given == loaded else _changed(given, loaded, path)
    if isinstance(given, Iterator):
        return Difference(path, "can be read only once; annotate it as a list")
    if given is loaded:  # members of an enumeration, classes
        return None
    if hasattr(kind, "get_secret_value"):
        return _compare_secrets(given, loaded, path)
    if kind is not type(loaded):
        return _other_type(given, loaded, path)
    if isinstance(given, float):
        return None if given == loaded or (math.isnan(given) and math.isnan(loaded)) else _changed(given, loaded, path)
    for types, compare in _COMPARISONS:
        if isinstance(given, types):
            return compare(given, loaded, path)
    if (state := _state(given)) is not None:
        return _compare_states(state, _state(loaded) or {}, path)
    return None if _equal(given, loaded) else _changed(given, loaded, path)


def _compare_sequences(given: Any, loaded: Any, path: tuple[str, ...]) -> Difference | None:
    if len(given) != len(loaded) or getattr(given, "maxlen", None) != getattr(loaded, "maxlen", None):
        return _changed(given, loaded, path)
    for index, (one, other) in enumerate(zip(given, loaded, strict=True)):
        if (found := find_difference(one, other, (*path, str(index)))) is not None:
            return found
    return None


def _compare_mappings(given: Mapping[Any, Any], loaded: Mapping[Any, Any], path: tuple[str, ...]) -> Difference | None:
    keys = {key: key for key in loaded}
    for key, value in given.items():
        if key not in keys or find_difference(key, keys[key], path) is not None:
            problem = (
                f"has the key {_brief(key)}, which JSON can store as text only; annotate it as dict[{type(key).__name__}, …]"
            )
            return Difference(path, problem)
        if (found := find_difference(value, loaded[key], (*path, str(key)))) is not None:
            return found
    return None if len(given) == len(loaded) else _changed(given, loaded, path)


def _compare_sets(given: AbstractSet[Any], loaded: AbstractSet[Any], path: tuple[str, ...]) -> Difference | None:
    items = {item: item for item in loaded}
    if len(given) != len(items):
        return _changed(given, loaded, path)
    for item in given:
        if item not in items:
            return _changed(given, loaded, path)
        if (found := find_difference(item, items[item], path)) is not None:
            return found
    return None


def _compare_times(given: datetime | time, loaded: datetime | time, path: tuple[str, ...]) -> Difference | None:
    zone = given.tzinfo
    # A zone has an offset at no particular time only if the offset never changes; no more than an offset is stored.
    if zone is not None and zone.utcoffset(None) is None:
        problem = f"has the time zone {zone}, of which only the current offset would be stored; convert it to UTC first"
        return Difference(path, f"{problem}, or pass the name of the zone as an argument of its own")
    if zone is None and given.fold:
        return Difference(
            path, "is the second of two equal local times (fold=1), which JSON cannot tell apart; convert it to UTC"
        )
    return None if given == loaded and given.utcoffset() == loaded.utcoffset() else _changed(given, loaded, path)


def _compare_decimals(given: Decimal, loaded: Decimal, path: tuple[str, ...]) -> Difference | None:
    return None if given.as_tuple() == loaded.as_tuple() else _changed(given, loaded, path)


_COMPARISONS: tuple[tuple[Any, Callable[[Any, Any, tuple[str, ...]], Difference | None]], ...] = (
    ((datetime, time), _compare_times),
    (Decimal, _compare_decimals),
    ((list, tuple, deque), _compare_sequences),
    (Mapping, _compare_mappings),
    (AbstractSet, _compare_sets),
)


def _compare_secrets(given: Any, loaded: Any, path: tuple[str, ...]) -> Difference | None:
    """Compare secrets without showing one."""
    if type(given) is type(loaded) and find_difference(given.get_secret_value(), loaded.get_secret_value(), path) is None:
        return None
    stored = f"Stored{type(given).__name__}"
    way_out = f"jobdeck.{stored}" if stored in ("StoredSecretStr", "StoredSecretBytes") else "a type that writes its value"
    return Difference(
        path,
        "is a secret, and the handler would get asterisks; pass a reference to where it is kept,"
        f" or annotate it as {way_out} to store it readable in the database",
    )


def _state(value: Any) -> dict[str, Any] | None:
    """Return the fields of a model, a dataclass, or an object without equality of its own; `None` for other values."""
    fields = getattr(type(value), "__pydantic_fields__", None)
    if fields is not None:
        extra = getattr(value, "__pydantic_extra__", None) or {}
        return {name: getattr(value, name, None) for name in fields} | extra
    if dataclasses.is_dataclass(value):
        return {each.name: getattr(value, each.name, None) for each in dataclasses.fields(value)}
    if getattr(type(value), "__eq__", None) is not object.__eq__ or type(value).__module__ == "builtins":
        return None
    slots = {name for each in type(value).__mro__ for name in getattr(each, "__slots__", ()) if hasattr(value, name)}
    return {name: getattr(value, name) for name in slots - {"__weakref__", "__dict__"}} | getattr(value, "__dict__", {})


def _compare_states(given: dict[str, Any], loaded: dict[str, Any], path: tuple[str, ...]) -> Difference | None:
    for name in given.keys() | loaded.keys():
        if name not in given or name not in loaded:
            return Difference((*path, name), "would not be stored; check which fields its type excludes")
        if (found := find_difference(given[name], loaded[name], (*path, name))) is not None:
            return found
    return None


def _equal(given: Any, loaded: Any) -> bool:
    try:
        return bool(given == loaded)
    except Exception:  # the comparison is code of a foreign type
        return False


def _other_type(given: Any, loaded: Any, path: tuple[str, ...]) -> Difference:
    if isinstance(given, float) and not math.isfinite(given):
        return Difference(path, f"is {given}, which JSON cannot represent; pass a finite number or None")
    name, other = type(given).__qualname__, type(loaded).__qualname__
    return Difference(
        path, f"has the type {name}, and the handler would get {other}; annotate it as {name}, or pass it as {other}"
    )


def _changed(given: Any, loaded: Any, path: tuple[str, ...]) -> Difference:
    return Difference(
        path,
        f"is {_brief(given)}, and the handler would get {_brief(loaded)}; use a type that loads what it writes",
    )


def _brief(value: Any) -> str:
    """Return the value for a message: on one line, and shortened."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # the text is made by code of a foreign type, or the number has too many digits
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
