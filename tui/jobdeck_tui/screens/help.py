"""The help: every key of a screen, generated from the bindings, so that none can be missing or wrong, and the legend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from textwrap import wrap
from types import MappingProxyType
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
from ..text.symbols import legend
from ..widgets.base.text_input import TextInput
from ..widgets.chrome.key_hints import KeyHints, format_keys
from .terminal_screen import TerminalDialog

_TEXT_WIDTH = 68
"""Width of the keys and their descriptions."""

Group = tuple[str, list[tuple[str, str]]]

_MOST_USED = 10
"""The number of keys that come first."""
_FIRST = ("open", "mark", "filter", "retry", "cancel", "priority(1)", "new", "undo", "app.command_palette", "app.request_quit")
"""The actions of the main screen that come first; other screens start with those of their hints."""
_TASKS: Mapping[str, str] = MappingProxyType(
    {
        "change jobs": "retry cancel priority set_priority duplicate delete new edit edit_options undo redo",
        "find and sort": "filter filters sort reverse order columns tab freeze search find",
        "look closer": "why stack",
        "queues and workers": "pause resize",
        "copy": "copy_id copy_command copy_part",
        "go to": "panel open_screen back request_quit help command_palette",
    }
)
"""What keys are for → their actions."""
_ELSE = "on this screen"


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
        most = _most_used(screen)
        groups = [("most used", most), *_by_task(screen, most)]
        seen: set[type] = set()
        for widget in sorted(screen.focus_chain, key=lambda widget: widget is not screen.focused):
            if type(widget) not in seen:
                seen.add(type(widget))
                name, rows = _group(_name(widget), widget)
                groups.append((name, [row for row in rows if row not in most]))
        groups.append(_group("anywhere", screen.app))
        groups.append(("symbols", legend()))
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
    return name, list(dict(_row(node, binding) for binding in _bindings(node) if _text(binding)).items())


def _row(node: DOMNode, declared: Binding) -> tuple[str, str]:
    """Return the keys of a binding, as the user has bound them, and its description."""
    keymap = node.app.keymap if isinstance(node.app, CockpitBase) else {}
    text = _text(declared)
    return format_keys(with_user_keys(keymap, declared), all_of_them=True), text[:1].lower() + text[1:]


def _text(binding: Binding) -> str:
    return binding.tooltip or binding.description


def _most_used(screen: Screen[Any]) -> list[tuple[str, str]]:
    """Return the keys that matter first: those of the screen and of its focused widget that are hinted at."""
    nodes: list[DOMNode] = [*([screen.focused] if screen.focused is not None else []), screen]
    found = [(node, binding) for node in nodes for binding in _bindings(node) if binding.show and _text(binding)]
    ranks = {action: rank for rank, action in enumerate(_FIRST)}
    found.sort(key=lambda each: ranks.get(each[1].action, len(ranks)))
    return list(dict(_row(node, binding) for node, binding in found).items())[:_MOST_USED]


def _by_task(screen: Screen[Any], without: list[tuple[str, str]]) -> list[Group]:
    """Return the other keys of a screen, grouped by what they are for."""
    groups: dict[str, dict[str, str]] = {name: {} for name in (*_TASKS, _ELSE)}
    for binding in _bindings(screen):
        if not _text(binding) or (row := _row(screen, binding)) in without:
            continue
        action = binding.action.partition("(")[0].rpartition(".")[2]
        task = next((name for name, actions in _TASKS.items() if action in actions.split()), _ELSE)
        groups[task][row[0]] = row[1]
    return [(name, list(rows.items())) for name, rows in groups.items()]


def _bindings(node: DOMNode) -> Iterable[Binding]:
    """Yield the bindings of a node that act in this cockpit."""
    for own in type(node).__mro__:
        if own.__module__.startswith("jobdeck_tui"):
            yield from (binding for binding in _declared(own) if not is_refused(node, binding.action))


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
