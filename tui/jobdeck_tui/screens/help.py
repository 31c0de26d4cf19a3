"""Every key of a screen, made from the bindings themselves, so that none can be missing or wrong."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Static

from ..widgets.hints import keys_of

_TEXT_WIDTH = 68
"""Cells for the keys and their text."""

Group = tuple[str, list[tuple[str, str]]]


class HelpScreen(ModalScreen[None]):
    """Keys and what they do, by where they work."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "close", "close"),
        Binding("j,down", "scroll(1)", "down", show=False, system=True),
        Binding("k,up", "scroll(-1)", "up", show=False, system=True),
    ]

    def __init__(self, title: str, groups: list[Group]) -> None:
        super().__init__()
        self._title = title
        self._groups = groups

    @classmethod
    def of(cls, screen: Screen[Any]) -> HelpScreen:
        """The help of a screen: its own keys, and those of the widgets that can have the focus."""
        title = getattr(screen, "HELP_TITLE", "") or screen.__class__.__name__
        groups = [_group("anywhere on this screen", screen)]
        seen: set[type] = set()
        for widget in sorted(screen.focus_chain, key=lambda widget: widget is not screen.focused):
            if type(widget) not in seen:
                seen.add(type(widget))
                groups.append(_group(_name(widget), widget))
        return cls(title, [group for group in groups if group[1]])

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="help"):
            with VerticalScroll(id="help-body"):
                yield Static(self._content(), id="help-text")
            yield Static(
                Content.assemble(("esc", "$accent"), (" close   ", "$quiet"), ("j k", "$accent"), (" scroll", "$quiet")),
                id="help-foot",
            )

    def on_mount(self) -> None:
        """Name the screen whose help this is."""
        self.query_one("#help").border_title = Content.assemble((f"keys · {self._title}", "bold"))

    def _content(self) -> Content:
        parts: list[Content] = []
        widest = max(len(keys) for _, rows in self._groups for keys, _ in rows)
        for name, rows in self._groups:
            parts.append(Content.assemble((name, "bold $quiet")))
            for keys, text in rows:
                first, *more = wrap(text, _TEXT_WIDTH - widest)
                parts.append(Content.assemble((f"  {keys:<{widest}}  ", "$accent"), first))
                parts += [Content(" " * (widest + 4) + rest) for rest in more]
            parts.append(Content(""))
        return Content("\n").join(parts[:-1])

    def action_close(self) -> None:
        """Back."""
        self.dismiss()

    def action_scroll(self, by: int) -> None:
        """Scroll a line."""
        self.query_one("#help-body").scroll_relative(y=by, animate=False)


def _group(name: str, node: Widget) -> Group:
    rows: dict[str, str] = {}
    for binding in _bindings(node):
        text = binding.tooltip or binding.description
        if text:
            rows[keys_of(binding, all_of_them=True)] = text[:1].lower() + text[1:]
    return name, list(rows.items())


def _bindings(node: Widget) -> Iterable[Binding]:
    for own in type(node).__mro__:
        if not own.__module__.startswith("jobdeck_tui"):
            continue
        yield from _declared(own)


def _declared(owner: type) -> Iterable[Binding]:
    """The bindings that a class itself declares."""
    for binding in owner.__dict__.get("BINDINGS", ()):
        if isinstance(binding, Binding):
            yield binding


def _name(widget: Widget) -> str:
    label = getattr(widget, "label", "")
    digit = getattr(widget, "digit", 0)
    if label:
        return f"in {label} ({digit})" if digit else f"in {label}"
    return {"JobTable": "in the job table (5)", "FilterLine": "in the filter"}.get(
        type(widget).__name__, f"in {type(widget).__name__}"
    )
