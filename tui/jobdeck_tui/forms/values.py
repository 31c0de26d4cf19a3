"""Parse and format typed arguments: text stays text if the argument takes text, else it is parsed as JSON if possible.

The command line (`KEY=VALUE`) and the forms use the same rules. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jobdeck import Parameter

from ..text.sanitize import safe, safe_json

#: Types whose values are used as typed, even if they look like JSON.
_TEXT = {"str", "Path", "pathlib.Path", "PurePath", "pathlib.PurePath", "bytes"}


def takes_text(type: str, choices: Sequence[Any]) -> bool:
    """Return whether a value of this type is used as typed."""
    if choices:
        return all(isinstance(choice, str) for choice in choices)
    if type.startswith(("Optional[", "typing.Optional[")):
        type = type.partition("[")[2].removesuffix("]")
    names = {name.strip() for name in type.split("|")} - {"None"}
    return bool(names) and names <= _TEXT


def read_json(text: str) -> Any:
    """Parse a text as JSON; return it unchanged if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def read_value(text: str, type: str) -> Any:
    """Parse a text as a value of the type."""
    return text if takes_text(type, ()) else read_json(text)


def format_value(value: Any, type: str) -> str:
    """Format a value as it is typed; `read_value` parses it."""
    if value is None:
        return ""
    if isinstance(value, str) and (takes_text(type, ()) or read_json(value) == value):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def fits_fields(parameters: Sequence[Parameter], args: Mapping[str, Any]) -> str | None:
    """Return why a form with one line per field cannot hold these arguments; `None` if it can."""
    for each in parameters:
        if each.name not in args:
            continue
        value = args[each.name]
        if each.type == "bool" and not isinstance(value, bool):
            return f"{each.name} must be true or false to be shown in the form"
        if each.choices and value not in each.choices:
            return f"{each.name} must be one of {', '.join(map(str, each.choices))} to be shown in the form"
        if value is None and each.default is not None:
            return f"{each.name} is null, which the form cannot show"
        if not format_value(value, each.type).isprintable():
            return f"{each.name} has characters that do not fit on one line"
    return None


def pretty_json(args: Mapping[str, Any]) -> str:
    """Format the arguments for editing: one name per line, without characters that a terminal might execute."""
    try:
        text = json.dumps(args, indent=2, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return "{}"
    return "\n".join(map(safe_json, text.split("\n")))


def short_type(parameter: Parameter) -> str:
    """Return the type of a parameter in a word or two."""
    if parameter.type == "bool":
        return "yes or no"
    if parameter.choices:
        return safe(", ".join(map(str, parameter.choices)))
    return safe(parameter.type.replace("typing.", "").replace("NoneType", "None"))
