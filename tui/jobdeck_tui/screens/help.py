"""The help: every key of a screen, generated from the bindings, so that none can be missing or wrong."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, Static

from ..app_base import CockpitBase, is_refused, to_terminal_text
from ..keymap import with_user_keys
from ..widgets.base.text_input import TextInput
from ..widgets.chrome.key_hints import KeyHints, format_keys
from .terminal_screen import TerminalDialog

_TEXT_WIDTH = 68
"""Width of the keys and their descriptions."""

Group = tuple[str, list[tuple[str, str]]]


class HelpScreen(TerminalDialog[None]):
    """The keys and their descriptions, grouped by screen and widget."""

    AUTO_FOCUS = ""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "close", key_display="esc", tooltip="Clear the search, then close"),
        Binding("question_mark,q", "close", "close", show=False),
        Binding("slash", "find", "find", tooltip="Search the descriptions"),
        Binding("g,f1", "guide", "guide", key_display="g", tooltip="Read the guide"),
        Binding("j,down", "scroll(1)", "scroll", key_display="j k", tooltip="Scroll down"),
        Binding("k,up", "scroll(-1)", "scroll up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
    ]

    def __init__(self, title: str, groups: list[Group]) -> None:
        super().__init__()
        self._title = title
        self._groups = groups
        self.shown_text = ""
        """The shown text."""

    @classmethod
    def of(cls, screen: Screen[Any]) -> HelpScreen:
        """Create the help of a screen: its own keys and those of its focusable widgets."""
        title = getattr(screen, "HELP_TITLE", "") or screen.__class__.__name__.removesuffix("Screen")
        groups = [_group("anywhere on this screen", screen)]
        seen: set[type] = set()
        for widget in sorted(screen.focus_chain, key=lambda widget: widget is not screen.focused):
            if type(widget) not in seen:
                seen.add(type(widget))
                groups.append(_group(_name(widget), widget))
        groups.append(_group("anywhere", screen.app))
        return cls(title, [group for group in groups if group[1]])

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="help"):
            yield TextInput(placeholder="search the keys", id="help-find", compact=True)
            with VerticalScroll(id="help-body", can_focus=False):
                yield Static(id="help-text")
            yield KeyHints(indent=0, id="help-foot")

    def on_mount(self) -> None:
        """Set the title and show every key."""
        self.query_one("#help").border_title = Content.assemble((f"keys · {self._title.lower()}", "bold"))
        self._show("")

    def _show(self, search: str) -> None:
        words = search.lower().split()
        groups = [(name, [row for row in rows if _matches(row, words)]) for name, rows in self._groups]
        content = self._content([group for group in groups if group[1]])
        self.shown_text = content.plain
        self.query_one("#help-text", Static).update(content)

    def _content(self, groups: list[Group]) -> Content:
        if not groups:
            return Content.assemble(("no key matches", "$quiet"))
        parts: list[Content] = []
        shown = [
            (name, [(to_terminal_text(self.app, keys), to_terminal_text(self.app, text)) for keys, text in rows])
            for name, rows in groups
        ]
        widest = max(len(keys) for _, rows in shown for keys, _ in rows)
        for name, rows in shown:
            parts.append(Content.assemble((name, "bold $quiet")))
            for keys, text in rows:
                first, *more = wrap(text, _TEXT_WIDTH - widest)
                parts.append(Content.assemble((f"  {keys:<{widest}}  ", "$accent"), first))
                parts += [Content(" " * (widest + 4) + rest) for rest in more]
            parts.append(Content(""))
        return Content("\n").join(parts[:-1])

    def action_find(self) -> None:
        """Open the search field."""
        field = self.query_one("#help-find", Input)
        field.display = True
        field.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the matching keys while the user types."""
        self._show(event.value)

    def on_input_submitted(self) -> None:
        """Keep the search and return the focus, for scrolling."""
        self.set_focus(None)

    def action_back(self) -> None:
        """Clear the search; without one, close."""
        field = self.query_one("#help-find", Input)
        if not field.display:
            self.dismiss()
            return
        field.value = ""
        field.display = False
        self.set_focus(None)

    def action_close(self) -> None:
        """Close the help."""
        self.dismiss()

    async def action_guide(self) -> None:
        """Open the guide in place of the help. The guide's own help leads back to it."""
        self.dismiss()
        await self.app.run_action("app.guide")

    def action_scroll(self, by: int) -> None:
        """Scroll by lines."""
        self.query_one("#help-body").scroll_relative(y=by, animate=False)

    def action_page(self, by: int) -> None:
        """Scroll by pages."""
        body = self.query_one("#help-body")
        body.scroll_relative(y=by * max(1, body.size.height - 1), animate=False)


def _matches(row: tuple[str, str], words: list[str]) -> bool:
    keys, text = row
    return all(word in keys.lower().split() or word in text.lower() for word in words)


def _group(name: str, node: DOMNode) -> Group:
    rows: dict[str, str] = {}
    keymap = node.app.keymap if isinstance(node.app, CockpitBase) else {}
    for declared in _bindings(node):
        binding = with_user_keys(keymap, declared)
        text = binding.tooltip or binding.description
        if text and not is_refused(node, binding.action):
            rows[format_keys(binding, all_of_them=True)] = text[:1].lower() + text[1:]
    return name, list(rows.items())


def _bindings(node: DOMNode) -> Iterable[Binding]:
    for own in type(node).__mro__:
        if not own.__module__.startswith("jobdeck_tui"):
            continue
        yield from _declared(own)


def _declared(owner: type) -> Iterable[Binding]:
    """Yield the bindings that a class itself declares."""
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
