"""A text area for JSON: coloured as it is typed, with the place of a mistake marked."""

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
"""Characters of a line that are coloured."""


class JsonProblem(ValueError):
    """A text that is not the JSON that is wanted; `line` and `column` count from 1."""

    def __init__(self, problem: str, line: int = 1, column: int = 1) -> None:
        super().__init__(f"line {line}, column {column}: {problem}")
        self.line, self.column = line, column


def read_object(text: str) -> dict[str, Any]:
    """The JSON object that the text is; an empty text is an empty one.

    Raises:
        JsonProblem: it is none, with the place of the mistake.
    """
    if not text.strip():
        return {}
    try:
        value = json.loads(text, object_pairs_hook=_pairs)
    except json.JSONDecodeError as problem:
        said = problem.msg[:1].lower() + problem.msg[1:]
        raise JsonProblem(said, problem.lineno, problem.colno) from None
    except _Twice as problem:
        line, column = place_of(text, str(problem), last=True)
        raise JsonProblem(f"{problem} is named twice", line, column) from None
    except (ValueError, RecursionError) as problem:
        raise JsonProblem(str(problem) or "nested too deeply") from None
    if not isinstance(value, dict):
        raise JsonProblem('the arguments are an object: {"name": value, …}')
    return value


class _Twice(Exception):
    """A name that an object has twice."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Twice(name)
        found[name] = value
    return found


def place_of(text: str, name: str, *, last: bool = False) -> tuple[int, int]:
    """Line and column of a name in an object, from 1; the beginning where it is not there."""
    found = [*re.finditer(re.escape(json.dumps(name, ensure_ascii=False)) + r"\s*:", text)]
    if not found:
        return 1, 1
    at = found[-1 if last else 0].start()
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1


class JsonArea(TextArea):
    """JSON, with colours. Tab leaves it; what a terminal might obey is drawn as �."""

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
    def mistake(self) -> Place | None:
        """The place that is marked."""
        return self._mistake

    def mark(self, place: Place | None) -> None:
        """Mark the place of a mistake: line and column from 1, no column for the whole line; `None` clears it."""
        if place != self._mistake:
            self._mistake = place
            self.notify_style_update()  # forgets what was drawn
            self.refresh()

    def get_line(self, line_index: int) -> Text:
        """The line in its colours."""
        plain = self.document.get_line(line_index)
        if not plain.isprintable():
            plain = "".join(sign if sign == "\t" or sign.isprintable() or safe(sign) == sign else "�" for sign in plain)
        line = Text(plain, end="", no_wrap=True)
        for found in _TOKEN.finditer(plain[:_LONGEST]):
            line.stylize(self._colour(found, plain), found.start(), found.end())
        if self._mistake is not None and self._mistake[0] == line_index + 1:
            if self._mistake[1] is None:
                return Text(plain, self._part("error"), end="", no_wrap=True)
            at = min(self._mistake[1] - 1, len(plain))
            line.stylize(self._part("error") + Style(underline=True, bold=True), max(0, min(at, len(plain) - 1)), at + 1)
        return line

    def _colour(self, found: re.Match[str], plain: str) -> Style:
        if found["text"] is not None:
            is_name = plain[found.end() :].lstrip()[:1] == ":"
            return self._part("accent") if is_name else self._part("good")
        if found["sign"] is not None:
            return self._part("quiet")
        return self._part("later") if found["word"] else self._part("warning")

    def _part(self, name: str) -> Style:
        return self.get_component_rich_style(f"text--{name}", partial=True)
