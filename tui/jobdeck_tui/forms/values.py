"""Arguments as they are typed: text stays text where the argument is text, and is otherwise read as JSON where it is JSON.

The command line (`KEY=VALUE`) and the forms read alike. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jobdeck import Parameter

from ..text.sanitize import safe, safe_json

#: Types whose values are taken as they were typed, even if they look like JSON.
_TEXT = {"str", "Path", "pathlib.Path", "PurePath", "pathlib.PurePath", "bytes"}


def takes_text(type: str, choices: Sequence[Any]) -> bool:
    """Whether a value of this type is taken as it was typed."""
    if choices:
        return all(isinstance(choice, str) for choice in choices)
    if type.startswith(("Optional[", "typing.Optional[")):
        type = type.partition("[")[2].removesuffix("]")
    names = {name.strip() for name in type.split("|")} - {"None"}
    return bool(names) and names <= _TEXT


def read_json(text: str) -> Any:
    """A value as JSON, or as the text it is where it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def read_value(text: str, type: str) -> Any:
    """What a text means as a value of the type."""
    return text if takes_text(type, ()) else read_json(text)


def shown_value(value: Any, type: str) -> str:
    """How a value is typed: `read_value` reads it back."""
    if value is None:
        return ""
    if isinstance(value, str) and (takes_text(type, ()) or read_json(value) == value):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def fits_fields(parameters: Sequence[Parameter], args: Mapping[str, Any]) -> str | None:
    """Why a form of one line a field cannot hold these arguments; `None` where it can."""
    for each in parameters:
        if each.name not in args:
            continue
        value = args[each.name]
        if each.type == "bool" and not isinstance(value, bool):
            return f"{each.name} must be true or false for the form to show it"
        if each.choices and value not in each.choices:
            return f"{each.name} must be one of {', '.join(map(str, each.choices))} for the form to show it"
        if value is None and each.default is not None:
            return f"{each.name} is null, which the form has no field for"
        if not shown_value(value, each.type).isprintable():
            return f"{each.name} has characters that fit no line"
    return None


def pretty_json(args: Mapping[str, Any]) -> str:
    """The arguments as a person edits them: a name a line, and no character that a terminal might obey."""
    try:
        text = json.dumps(args, indent=2, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return "{}"
    return "\n".join(map(safe_json, text.split("\n")))


def short_type(parameter: Parameter) -> str:
    """What a parameter takes, in a word or two."""
    if parameter.type == "bool":
        return "yes or no"
    if parameter.choices:
        return safe(", ".join(map(str, parameter.choices)))
    return safe(parameter.type.replace("typing.", "").replace("NoneType", "None"))
