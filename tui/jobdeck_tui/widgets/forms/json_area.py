"""A text area for JSON: highlights the syntax, and marks the position of an error."""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar

from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import TextArea

from ...text.sanitize import safe
from ..base.panel import TEXT_CLASSES

_TOKEN = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*"?)|(?P<word>\b(?:true|false|null)\b)|(?P<number>-?\d[\d.eE+-]*)|(?P<sign>[{}\[\]:,])'
)
Place = tuple[int, int | None]
_LONGEST = 5000
"""The maximum number of characters colored in one line."""


class JsonProblem(ValueError):
    """Raised for a text that is not the expected JSON; `line` and `column` count from 1."""

    def __init__(self, problem: str, line: int = 1, column: int = 1) -> None:
        super().__init__(f"line {line}, column {column}: {problem}")
        self.line, self.column = line, column


def parse_object(text: str) -> dict[str, Any]:
    """Parse a JSON object; an empty text yields an empty object.

    Raises:
        JsonProblem: the text is not a JSON object; with the position of the error.
    """
    if not text.strip():
        return {}
    try:
        value = json.loads(text, object_pairs_hook=_unique_object)
    except json.JSONDecodeError as problem:
        message = problem.msg[:1].lower() + problem.msg[1:]
        raise JsonProblem(message, problem.lineno, problem.colno) from None
    except _DuplicateName as problem:
        line, column = place_of(text, str(problem), last=True)
        raise JsonProblem(f"duplicate name {problem}", line, column) from None
    except (ValueError, RecursionError) as problem:
        raise JsonProblem(str(problem) or "nested too deeply") from None
    if not isinstance(value, dict):
        raise JsonProblem('the arguments must be an object: {"name": value, …}')
    return value


class _DuplicateName(Exception):
    """Raised for a duplicate name in an object."""


def _unique_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _DuplicateName(name)
        found[name] = value
    return found


def place_of(text: str, name: str, *, last: bool = False) -> tuple[int, int]:
    """Return the line and column of a name in an object, from 1; the start if the name is missing."""
    found = [*re.finditer(re.escape(json.dumps(name, ensure_ascii=False)) + r"\s*:", text)]
    if not found:
        return 1, 1
    at = found[-1 if last else 0].start()
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1


class JsonArea(TextArea):
    """An editor for JSON. Tab leaves it; control characters are drawn as �."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*TEXT_CLASSES}

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("shift+tab", "app.focus_previous", "leave the text", show=False, system=True),
    ]

    def __init__(self, text: str = "", *, indents: bool = False, id: str | None = None) -> None:
        super().__init__(
            text,
            compact=True,
            soft_wrap=True,
            id=id,
            highlight_cursor_line=False,
            show_line_numbers=True,
            tab_behavior="indent" if indents else "focus",
        )
        self.indent_width = 2
        self._mistake: Place | None = None

    @property
    def error_position(self) -> Place | None:
        """The marked position."""
        return self._mistake

    def mark(self, place: Place | None) -> None:
        """Mark the position of an error: line and column from 1, no column for the whole line; `None` clears the mark."""
        if place != self._mistake:
            self._mistake = place
            self.notify_style_update()  # drops the cached lines
            self.refresh()

    def get_line(self, line_index: int) -> Text:
        """Return a line with its colors."""
        plain = self.document.get_line(line_index)
        if not plain.isprintable():
            plain = "".join(sign if sign == "\t" or sign.isprintable() or safe(sign) == sign else "�" for sign in plain)
        line = Text(plain, end="", no_wrap=True)
        for found in _TOKEN.finditer(plain[:_LONGEST]):
            line.stylize(self._token_style(found, plain), found.start(), found.end())
        if self._mistake is not None and self._mistake[0] == line_index + 1:
            if self._mistake[1] is None:
                return Text(plain, self._style("error"), end="", no_wrap=True)
            at = min(self._mistake[1] - 1, len(plain))
            line.stylize(self._style("error") + Style(underline=True, bold=True), max(0, min(at, len(plain) - 1)), at + 1)
        return line

    def _token_style(self, found: re.Match[str], plain: str) -> Style:
        if found["text"] is not None:
            is_name = plain[found.end() :].lstrip()[:1] == ":"
            return self._style("accent") if is_name else self._style("good")
        if found["sign"] is not None:
            return self._style("quiet")
        return self._style("later") if found["word"] else self._style("warning")

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"text--{name}", partial=True)
