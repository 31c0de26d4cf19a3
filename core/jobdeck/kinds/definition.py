"""The definition of a handler: its place, and the comparison of two handlers that may be one definition loaded twice.

A module is loaded again by a reload, by a program that is both the main program and imported, or as a file and as a module.
Its functions are then other objects, of the same name in the same file.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from ..model.record_class import record

Handler = Callable[..., Any]

_MAIN = ("__main__", "__mp_main__")
_VALUES = (type(None), bool, int, float, str, bytes)


@record(eq=False)
class Definition:
    """The definition of a handler, as it was when the handler was registered."""

    handler: Handler
    module: str
    """The module's name, under which it can be imported if it can be."""
    name: str
    """The qualified name in the module."""
    file: str | None
    line: int
    code: CodeType | None
    """`None` for a callable object that is not a function."""
    execution: object
    """The module's spec, which each import and reload replaces."""
    interactive: bool
    """`True` if it was typed into a notebook or a console, where a function is changed by defining it again."""

    @classmethod
    def of(cls, handler: Handler) -> Definition:
        """Return the definition of a handler."""
        function = _function(handler)
        code = getattr(function, "__code__", None)
        source: Any = function if code is not None else type(function)
        module = str(getattr(source, "__module__", None) or "")
        loaded = sys.modules.get(module)
        return cls(
            handler=handler,
            module=import_name(module),
            name=str(getattr(source, "__qualname__", type(function).__qualname__)),
            file=None if code is None else os.path.realpath(code.co_filename),
            line=0 if code is None else code.co_firstlineno,
            code=code,
            execution=getattr(loaded, "__spec__", None),
            interactive=module in _MAIN and getattr(loaded, "__file__", None) is None,
        )

    def __str__(self) -> str:
        """Return the place for a message: `shop.tasks.send (/srv/shop/tasks.py:12)`."""
        return f"{self.module}.{self.name}" + ("" if self.file is None else f" ({self.file}:{self.line})")

    def is_same(self, later: Definition) -> bool:
        """Report whether a handler that is registered later is this definition again: loaded again, or run again."""
        if self.handler == later.handler:
            return True
        if self.name != later.name:
            return False
        if self.interactive and later.interactive:
            return True
        if (self.module, self.file) != (later.module, later.file) and (self.file is None or self.file != later.file):
            return False
        one, other = _function(self.handler), _function(later.handler)
        if isinstance(one, FunctionType) and isinstance(other, FunctionType):
            if one.__code__ is other.__code__:  # the same `def` was run twice, perhaps with other variables around it
                return _surroundings(self.handler) == _surroundings(later.handler)
            return one.__globals__ is not other.__globals__ or self.execution is not later.execution
        return self.execution is not later.execution


def default_name(handler: Handler) -> str:
    """Return the name of a kind that is not named: the module and the qualified name of its handler."""
    where = Definition.of(handler)
    return f"{where.module}.{where.name.replace('<locals>.', '')}"


def is_same_source(one: Handler, other: Handler) -> bool:
    """Report whether both are the same function of a module, from whichever time that it was loaded."""
    first, second = Definition.of(one), Definition.of(other)
    return first.file is not None and "<" not in first.name and (first.file, first.name) == (second.file, second.name)


def import_name(module: str) -> str:
    """Return the name under which a module can be imported, for the main program as well."""
    if module not in _MAIN:
        return module
    main = sys.modules[module]
    spec = getattr(main, "__spec__", None)
    if spec is not None:  # python -m shop.tasks
        return str(spec.name)
    return Path(getattr(main, "__file__", None) or "main").stem


def _function(handler: Any) -> Any:
    """Return the function behind decorators, bound methods and partial objects."""
    while True:
        if isinstance(handler, functools.partial):
            handler = handler.func
        elif isinstance(handler, staticmethod) or inspect.ismethod(handler):
            handler = handler.__func__
        elif callable(inner := getattr(handler, "__wrapped__", None)):
            handler = inner
        else:
            return handler


def _surroundings(handler: Any) -> list[Any]:
    """Return what a handler was defined with: bound arguments, the object of a method, defaults, variables around it."""
    values: list[Any] = []
    if isinstance(handler, functools.partial):
        values += [*handler.args, *handler.keywords, *handler.keywords.values()]
    values.append(getattr(handler, "__self__", None))
    function = _function(handler)
    values += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    for cell in function.__closure__ or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:  # not assigned yet
            values.append(None)
    return ["itself" if value is function else _identity(value) for value in values]


def _identity(value: Any) -> Any:
    """Return something that is equal for the same values; other objects are the same only if they are one."""
    return (type(value), value) if type(value) in _VALUES else id(value)
