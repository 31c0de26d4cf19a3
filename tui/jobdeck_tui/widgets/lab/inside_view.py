"""The look inside: operations with their SQL, each statement with its query plan and its line in jobdeck."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from ...lab.inside import Section
from ...text.sanitize import safe
from ..base.styled_text import StyledLine
from ..base.text_view import TextView

_MARKS: dict[bool | None, tuple[StyledLine, StyledLine]] = {
    None: ([], []),
    True: ([("✓ ", "good")], [("  atomic", "good")]),
    False: ([("✗ ", "error")], [("  not atomic", "error")]),
}
"""Whether a section is atomic → the styled text before and after its title."""
_LIST = re.compile(r"(\w+(?:, \w+)?)((?:, [\w.]+){5,})(?![\w(])")
"""Names of more than a few columns."""

_DECISIVE = re.compile(r"(BEGIN IMMEDIATE|FOR UPDATE(?: SKIP LOCKED)?|AND state = '\w+'(?: AND lease = \S+)?)")
"""The words that make a statement safe."""


class InsideView(TextView, inherit_bindings=False):
    """Sections of SQL. It scrolls, and leaves space to the screen, which pauses or plays with it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "by(1)", "down", show=False, system=True),
        Binding("k,up", "by(-1)", "up", show=False, system=True),
        Binding("pagedown,ctrl+d", "page(1)", "page down", show=False, system=True),
        Binding("pageup,ctrl+u", "page(-1)", "page up", show=False, system=True),
        Binding("g,home", "edge(-1)", "top", show=False, system=True),
        Binding("G,end", "edge(1)", "end", show=False, system=True),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("look inside", "", id=id)
        self._sections: Sequence[Section] | None = None

    def show_waiting(self) -> None:
        """Say that the statements are being recorded."""
        self._sections = None
        self.show([[("Recording the statements …", "quiet")]])

    def show_sections(self, sections: Sequence[Section]) -> None:
        """Show these sections, from the top if they are others than before."""
        if sections == self._sections:
            return
        self._sections = sections
        self.show(_lines(sections))
        self.scroll_home(animate=False)


def _lines(sections: Sequence[Section]) -> list[StyledLine]:
    if not sections:
        return [[("There is nothing to look into yet.", "quiet")]]
    lines: list[StyledLine] = []
    for section in sections:
        before, after = _MARKS[section.is_atomic]
        lines += [[*before, (section.title, "strong"), *after], [(safe(section.why), "")]]
        for each in section.statements:
            lines.append([])
            lines.append([(each.place, "accent"), (f"  {each.function}" if each.function else "", "quiet")])
            lines += [_statement_line(each.sql), *map(_plan_line, each.plan)]
        lines.append([])
    return lines[:-1]


def _statement_line(sql: str) -> StyledLine:
    parts = _DECISIVE.split(safe(shorten_lists(sql)))  # every second part is decisive
    return [(part, "good" if at % 2 else "strong") for at, part in enumerate(parts) if part]


def _plan_line(node: str) -> StyledLine:
    text = node.lstrip(" ")
    return [(f"{' ' * (len(node) - len(text))}  └ {safe(text)}", "quiet")]


def shorten_lists(sql: str) -> str:
    """Return a statement with its long lists of columns cut: `id, kind, … 31 more`."""
    return _LIST.sub(lambda found: f"{found[1]}, … {found[2].count(', ')} more", sql)
