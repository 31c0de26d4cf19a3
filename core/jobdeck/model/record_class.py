"""Records: frozen dataclasses with slots, whose methods are generated when they are first used.

A command that enqueues one job defines many records and makes few. `dataclass` writes and compiles the text of six methods for
each when it is imported, which was a quarter of the time of `jobdeck enqueue`; `record` does so when one is looked up.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform, overload

_Class = TypeVar("_Class")


@overload
def record(cls: type[_Class], /) -> type[_Class]: ...


@overload
def record(*, kw_only: bool = False, eq: bool = True) -> Callable[[type[_Class]], type[_Class]]: ...


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[Any] | None = None, /, *, kw_only: bool = False, eq: bool = True) -> Any:
    """Make a class a record: what `dataclass(frozen=True, slots=True)` makes, but cheap to import.

    `dataclasses.fields`, `replace` and `asdict`, pickling, matching and comparing work as with any dataclass, and a frozen
    dataclass may inherit from a record. A record itself inherits from no dataclass, and has no `InitVar`.

    Args:
        cls: the class, with annotated fields; none if options are given.
        kw_only: whether its fields are given by name only.
        eq: whether records are compared and hashed by their fields; otherwise by identity.

    Raises:
        TypeError: the class inherits from a dataclass, or says itself how attributes are assigned, or a field without a default
            follows one with.
    """
    if cls is None:
        return lambda each: _record(each, kw_only, eq)
    return _record(cls, kw_only, eq)


def _record(cls: type[Any], kw_only: bool, eq: bool) -> type[Any]:
    if any("__dataclass_fields__" in base.__dict__ for base in cls.__mro__[1:]):
        raise TypeError(f"Record {cls.__name__} inherits from a dataclass; make both dataclasses.")
    if taken := {"__setattr__", "__delattr__"} & cls.__dict__.keys():
        raise TypeError(f"Record {cls.__name__} cannot define {min(taken)}: its fields are never assigned.")
    if not cls.__doc__:
        cls.__doc__ = cls.__name__  # otherwise dataclass makes one of the signature
    generated = [name for name in ("__init__", "__repr__", "__eq__") if name not in cls.__dict__ and (eq or name != "__eq__")]
    if eq and ("__hash__" not in cls.__dict__ or (cls.__hash__ is None and "__eq__" in cls.__dict__)):
        generated.append("__hash__")  # Python has set it to None in a class that defines __eq__
    made = dataclass(init=False, repr=False, eq=False, kw_only=kw_only, slots=True)(cls)
    _check_order(made)
    parameters: Any = made.__dataclass_params__  # a dataclass that inherits from it reads them
    parameters.init = parameters.repr = parameters.frozen = True
    parameters.eq = eq
    for name in generated:
        setattr(made, name, _Pending(made, name))
    for name, method in _COMMON.items():
        if name not in made.__dict__:
            setattr(made, name, method)
    return made


def _check_order(cls: type[Any]) -> None:
    """Raise TypeError if a field without a default follows one with, both given by position."""
    optional = False
    for each in fields(cls):
        if each.init and not each.kw_only:
            if each.default is not MISSING or each.default_factory is not MISSING:
                optional = True
            elif optional:
                raise TypeError(f"non-default argument {each.name!r} follows default argument")


class _Pending:
    """A method of a record that nobody has used. Looking it up generates it, and puts it in its place."""

    __slots__ = ("name", "owner")

    def __init__(self, owner: type[Any], name: str) -> None:
        self.owner = owner
        self.name = name

    def __get__(self, instance: object, owner: type[Any] | None = None) -> Any:
        for name, method in (_new_init if self.name == "__init__" else _new_comparison)(self.owner).items():
            if isinstance(self.owner.__dict__.get(name), _Pending):
                setattr(self.owner, name, method)
        return self.owner.__dict__[self.name].__get__(instance, owner)


class _Factory:
    """Stands in a signature for a default that is made for each record."""

    def __repr__(self) -> str:
        return "<factory>"


_FACTORY = _Factory()


def _new_init(cls: type[Any]) -> dict[str, Any]:
    """Generate `__init__`. It sets each field through its slot, which takes two thirds of what `object.__setattr__` takes."""
    every = fields(cls)
    given = sorted((each for each in every if each.init), key=lambda each: bool(each.kw_only))
    myself = "__dataclass_self__" if any(each.name == "self" for each in every) else "self"
    values: dict[str, Any] = {"_FACTORY": _FACTORY}
    body: list[str] = []
    for each in every:
        value = each.name
        if each.default_factory is not MISSING:
            values[f"_new_{each.name}"] = each.default_factory
            value = f"_new_{value}() if {value} is _FACTORY else {value}" if each.init else f"_new_{value}()"
        elif each.default is not MISSING:
            values[f"_default_{each.name}"] = each.default
            value = value if each.init else f"_default_{value}"
        elif not each.init:
            continue  # it stays without a value, or `__post_init__` sets it
        values[f"_set_{each.name}"] = cls.__dict__[each.name].__set__
        body.append(f"_set_{each.name}({myself}, {value})")
    if hasattr(cls, "__post_init__"):
        body.append(f"{myself}.__post_init__()")
    positional = [_parameter(each) for each in given if not each.kw_only]
    by_name = ["*", *(_parameter(each) for each in given if each.kw_only)]
    parameters = ", ".join([myself, *positional, *(by_name if len(by_name) > 1 else ())])
    lines = [f"def make({', '.join(values)}):", f" def __init__({parameters}):", *(f"  {line}" for line in body or ["pass"])]
    made: dict[str, Any] = {}
    exec("\n".join([*lines, " return __init__"]), sys.modules[cls.__module__].__dict__, made)  # noqa: S102  # as dataclass does
    method = made["make"](**values)
    method.__qualname__ = f"{cls.__qualname__}.__init__"
    method.__annotations__ = {**{each.name: each.type for each in given}, "return": None}
    return {"__init__": method}


def _parameter(each: Field[Any]) -> str:
    if each.default_factory is not MISSING:
        return f"{each.name}=_FACTORY"
    return each.name if each.default is MISSING else f"{each.name}=_default_{each.name}"


def _new_comparison(cls: type[Any]) -> dict[str, Any]:
    """Generate the methods that show and compare all fields: those of a dataclass with the same fields."""
    every = fields(cls)
    body: dict[str, Any] = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    body["__annotations__"] = {each.name: each.type for each in every}
    twin: Any = type(cls.__name__, (), body | {each.name: each for each in every})
    twin = dataclass(init=False, unsafe_hash=True)(twin)
    return {name: twin.__dict__[name] for name in ("__repr__", "__eq__", "__hash__")}


def _refuse_assignment(self: Any, name: str, value: object) -> None:
    if _is_frozen(self, name):
        raise FrozenInstanceError(f"cannot assign to field {name!r}")
    object.__setattr__(self, name, value)


def _refuse_deletion(self: Any, name: str) -> None:
    if _is_frozen(self, name):
        raise FrozenInstanceError(f"cannot delete field {name!r}")
    object.__delattr__(self, name)


def _is_frozen(self: Any, name: str) -> bool:
    """Return whether the attribute is that of a record: any but the further ones of a class that inherits from it."""
    return "__dataclass_fields__" in type(self).__dict__ or name in type(self).__dataclass_fields__


def _get_state(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for each, value in zip(fields(self), state, strict=False):
        object.__setattr__(self, each.name, value)


_COMMON = {
    "__setattr__": _refuse_assignment,
    "__delattr__": _refuse_deletion,
    "__getstate__": _get_state,
    "__setstate__": _set_state,
}
