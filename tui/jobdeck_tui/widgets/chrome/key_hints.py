"""The line of key hints at the bottom, made from the active bindings; each hint can be clicked."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.binding import Binding
from textual.events import Click
from textual.keys import key_to_character
from textual.widgets import Input

from ...app_base import is_refused, to_terminal_text
from ..base.panel import LineWidget
from ..base.strips import Piece, width_of

_NAMES = {
    "enter": "⏎",
    "escape": "esc",
    "space": "space",
    "question_mark": "?",
    "slash": "/",
    "colon": ":",
    "plus": "+",
    "minus": "-",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "ctrl+backslash": "^\\",
    "ctrl+at": "^space",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "equals_sign": "=",
}


#: The hints at the start of the line, which only the demo has, and those at its end, in this order.
_ORDER = {"tour": -2, "break": -1, "commands": 1, "quit": 2, "help": 3}


def key_name(key: str) -> str:
    """Return a readable name of a key."""
    if key in _NAMES:
        return _NAMES[key]
    character = key_to_character(key)
    if character is not None and character.isprintable():
        return character
    return key.replace("ctrl+", "^") if key.startswith("ctrl+") else key


def format_keys(binding: Binding, *, all_of_them: bool = False) -> str:
    """Return the readable keys of a binding: its short form, or all of them."""
    if binding.key_display and not all_of_them:
        return binding.key_display
    return " ".join(dict.fromkeys(key_name(key) for key in binding.key.split(",")))


class KeyHints(LineWidget):
    """One line of hints. Drops hints that do not fit, but never the help key."""

    def __init__(self, *, indent: int = 1, id: str | None = None) -> None:
        super().__init__(id=id)
        self._indent = indent
        self._places: list[tuple[int, int, str]] = []

    def on_mount(self) -> None:
        """Redraw the hints when the focus moves."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.refresh())

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        quiet, accent = self.style("quiet"), self.style("accent")
        shown: dict[str, tuple[str, str, bool]] = {}
        disabled_reason = getattr(self.screen, "disabled_reason", _always_enabled)
        typing = isinstance(self.screen.focused, Input) and not self.screen.is_modal
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if typing and active.node is not self.screen.focused:
                continue  # the key types text instead of triggering the screen
            if is_refused(active.node, binding.action):
                continue
            if binding.show and binding.description and binding.action not in shown:
                shown[binding.action] = (
                    to_terminal_text(self.app, format_keys(binding)),
                    binding.description,
                    active.enabled and disabled_reason(binding.action) is None,
                )
        shown = dict(sorted(shown.items(), key=lambda item: _ORDER.get(item[1][1], 0)))
        last = {action: each for action, each in shown.items() if each[1] == "help"}
        room = width - self._indent - sum(_length(each) for each in last.values())
        fitting: dict[str, tuple[str, str, bool]] = {}
        for action, each in shown.items():
            if action in last or _length(each) > room:
                continue
            room -= _length(each)
            fitting[action] = each
        pieces: list[Piece] = [(" " * self._indent, quiet)]
        self._places = []
        for action, (keys, text, enabled) in (fitting | last).items():
            start = width_of(pieces)
            pieces += [(keys, accent if enabled else quiet), (f" {text}  ", quiet)]
            self._places.append((start, width_of(pieces) - 2, action))
        return pieces

    async def on_click(self, event: Click) -> None:
        """Run the action of the clicked hint."""
        for start, end, action in self._places:
            if start <= event.x < end:
                await self._press(action)

    async def _press(self, action: str) -> None:
        """Run the action on the nearest widget that has it, starting at the focused one."""
        name = action.partition("(")[0].rpartition(".")[2]
        if action.startswith(("app.", "screen.")):
            await self.app.run_action(action, self.screen)
            return
        for node in (self.screen.focused or self.screen).ancestors_with_self:
            if hasattr(node, f"action_{name}"):
                await self.app.run_action(action, node)
                return


def _always_enabled(_action: str) -> None:
    """Report no reason: the action is enabled."""


def _length(hint: tuple[str, str, bool]) -> int:
    return cell_len(hint[0]) + len(hint[1]) + 3
