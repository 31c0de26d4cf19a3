"""Read exceptions that user code raised. Their classes may override anything, so nothing here lets their code raise.

Types are compared as an `except` clause compares them, by inheritance alone. `isinstance` would ask `__class__` and the
metaclass, and attributes would pass through `__getattribute__`: both may lie, raise or never return.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TYPE_NAME_CHARACTERS = 200
"""The maximum length of the name of an exception type."""

_name_of: Any = type.__dict__["__name__"].__get__
_qualified_name_of: Any = type.__dict__["__qualname__"].__get__
_module_of: Any = type.__dict__["__module__"].__get__
_mro_of: Any = type.__dict__["__mro__"].__get__
_exceptions_of: Any = BaseExceptionGroup.__dict__["exceptions"].__get__
_cause_of: Any = BaseException.__dict__["__cause__"].__get__
_context_of: Any = BaseException.__dict__["__context__"].__get__
_suppresses_context: Any = BaseException.__dict__["__suppress_context__"].__get__
_traceback_of: Any = BaseException.__dict__["__traceback__"].__get__


def is_error(error: BaseException, *types: type[BaseException]) -> bool:
    """Report whether an `except` clause for these types would catch the error."""
    return any(base is each for base in _mro_of(type(error)) for each in types)  # `in` would call the metaclass's `__eq__`


def is_named(error: BaseException, *types: type[BaseException]) -> bool:
    """Report whether the error is of one of these types, or of a type of the same module and name.

    A module that was reloaded, or imported under two names, has two classes of each name.
    """
    if not types:
        return False
    if is_error(error, *types):
        return True
    names = {_full_name(each) for each in _mro_of(type(error))}
    return any(_full_name(each) in names for each in types)


def _full_name(each: type) -> tuple[str, str]:
    module = _module_of(each)
    if not isinstance(module, str):
        return "", str(id(each))
    module = str.__str__(module)
    if module == "__main__":  # a script that was started, and is imported under its own name by child processes
        main = sys.modules.get("__main__")
        spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
        module = spec.name if spec is not None else Path(file).stem if isinstance(file, str) else module
    return module, str.__str__(_qualified_name_of(each))


def type_name(error: BaseException) -> str:
    """Return the name of the error's type, shortened."""
    name = str.__str__(_name_of(type(error)))
    return name if len(name) <= TYPE_NAME_CHARACTERS else name[: TYPE_NAME_CHARACTERS - 1] + "…"


def full_type_name(error: BaseException) -> str:
    """Return the name of the error's type with its module, except for types of Python; shortened."""
    module, name = _module_of(type(error)), str.__str__(_qualified_name_of(type(error)))
    if isinstance(module, str) and (module := str.__str__(module)) not in ("builtins", "__main__"):
        name = f"{module}.{name}"
    return name if len(name) <= TYPE_NAME_CHARACTERS else name[: TYPE_NAME_CHARACTERS - 1] + "…"


def text_of(error: BaseException) -> str:
    """Return the text of the error; tolerate errors whose text cannot be read."""
    try:
        return str.__str__(str(error))  # a subclass of `str` may override anything
    except BaseException:
        return "(its text cannot be read)"


def is_group(error: BaseException) -> bool:
    """Report whether the error is an exception group."""
    return is_error(error, BaseExceptionGroup)


def flatten_group(error: BaseException) -> Iterator[BaseException]:
    """Yield the error or, for an exception group, each of the errors in it once, however deep."""
    pending, seen = [error], {id(error)}
    while pending:
        each = pending.pop()
        if is_group(each):
            inner = [member for member in _exceptions_of(each) if id(member) not in seen]
            seen.update(map(id, inner))
            pending.extend(reversed(inner))
        else:
            yield each


def related_errors(error: BaseException, most: int) -> list[BaseException]:
    """Return the error and those that a traceback of it shows: causes, contexts and members of groups; `most + 1` at most."""
    found, seen = [error], {id(error)}
    for each in found:
        if len(found) > most:
            break
        for other in (*_links_of(each), *(_exceptions_of(each)[: most + 1] if is_group(each) else ())):
            if id(other) not in seen:
                seen.add(id(other))
                found.append(other)
    return found[: most + 1]


def _links_of(error: BaseException) -> list[BaseException]:
    return [each for each in (_cause_of(error), _context_of(error)) if each is not None]


def previous_error(error: BaseException) -> tuple[BaseException | None, str]:
    """Return the error that Python shows above this one, if any, and the sentence between them."""
    cause = _cause_of(error)
    if cause is not None:
        return cause, "The above exception was the direct cause of the following exception:"
    if not _suppresses_context(error):
        return _context_of(error), "During handling of the above exception, another exception occurred:"
    return None, ""


def traceback_of(error: BaseException) -> Any:
    """Return the traceback of the error, or `None`."""
    return _traceback_of(error)
