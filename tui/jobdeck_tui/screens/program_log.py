"""Shows the program's own log: warnings, and output printed while the cockpit was open."""

from __future__ import annotations

import time
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content

from ..app_base import CockpitBase
from ..terminal.program_log import LogEntry, ProgramLog
from ..text.format import number
from ..text.sanitize import safe
from ..widgets.base.text_view import TextView
from ..widgets.chrome.key_hints import KeyHints
from ..widgets.details.job_details import StyledLine
from .terminal_screen import TerminalDialog

EVERY = 0.5
"""Seconds between checks for new lines."""
_MEANINGS = {"warning": "warning", "error": "error", "critical": "error"}


class ProgramLogScreen(TerminalDialog[None]):
    """The log, oldest lines first; follows the end."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,exclamation_mark,q", "close", "close", key_display="esc"),
        Binding("w", "warnings", "warnings only", tooltip="Show warnings only, or everything"),
        Binding("y", "copy", "copy", tooltip="Copy the shown lines"),
    ]

    def __init__(self, log: ProgramLog) -> None:
        super().__init__()
        self._log = log
        self._last = 0
        self._only_warnings = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="log"):
            yield TextView("", "", follow=True, id="log-lines")
            yield KeyHints(indent=0, id="log-foot")

    def on_mount(self) -> None:
        """Show the log and follow it."""
        self._reload()
        self.set_interval(EVERY, self._follow)

    def _reload(self) -> None:
        entries = self._log.entries()
        self._last = entries[-1].number if entries else 0
        shown = [entry for entry in entries if entry.is_warning or not self._only_warnings]
        empty: StyledLine = [("The log is empty." if not self._only_warnings else "No warnings.", "quiet")]
        view = self.query_one(TextView)
        view.show([_format_entry(entry) for entry in shown] or [empty])
        self.call_after_refresh(view.action_edge, 1)
        self._mark_seen(entries)

    def _follow(self) -> None:
        entries = self._log.entries(after=self._last)
        if not entries:
            return
        if self._last == 0 or len(entries) > 500:
            self._reload()
            return
        self._last = entries[-1].number
        self.query_one(TextView).extend(
            [_format_entry(entry) for entry in entries if entry.is_warning or not self._only_warnings]
        )
        self._mark_seen(self._log.entries())

    def _mark_seen(self, entries: list[LogEntry]) -> None:
        self._log.mark_seen()
        warnings = sum(entry.is_warning for entry in entries)
        count = f"{number(warnings)} warning{'s' * (warnings != 1)}" if warnings else "no warnings"
        self.query_one("#log").border_title = Content.assemble(("program log", "bold"), (f" · {count}", "$quiet"))

    def action_warnings(self) -> None:
        """Switch between warnings only and everything."""
        self._only_warnings = not self._only_warnings
        self._reload()

    def action_copy(self) -> None:
        """Copy the shown lines."""
        if isinstance(self.app, CockpitBase):
            lines = ["".join(text for text, _ in line) for line in self.query_one(TextView).lines]
            self.app.copy("\n".join(lines), "the log")

    def action_close(self) -> None:
        """Close the log."""
        self.dismiss()


def _format_entry(entry: LogEntry) -> StyledLine:
    clock = time.strftime("%H:%M:%S", time.localtime(entry.at))
    level = "" if entry.level in ("out", "err") else entry.level
    staged = ", staged by the demo" * (entry.staged and entry.is_warning)
    source = "" if entry.source == "py.warnings" else f"  ({safe(entry.source)}{staged})"
    # Three pieces: long lines wrap below the text, not below the time.
    return [(f"{clock}  ", "quiet"), (f"{level:<8} ", _MEANINGS.get(level, "quiet")), (safe(entry.text) + source, "")]
