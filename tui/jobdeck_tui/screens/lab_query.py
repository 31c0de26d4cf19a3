"""The query that counted a verdict."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from ..lab.audit import Verdict
from ..text.sanitize import safe
from ..widgets.chrome.key_hints import KeyHints
from .terminal_screen import TerminalDialog


class QueryScreen(TerminalDialog[None]):
    """Shows a verdict with the SQL that counted it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "close", "close", key_display="esc"),
    ]

    def __init__(self, verdict: Verdict) -> None:
        super().__init__()
        self.verdict = verdict

    def compose(self) -> ComposeResult:
        verdict = self.verdict
        content = Content.assemble(
            (f"{verdict.value:g}", "bold $success" if verdict.holds else "bold $error"),
            (f" {verdict.claim}", "bold"),
            (f"  must be {verdict.limit}\n\n", "$quiet"),
            (safe(verdict.query), "$accent"),
            ("\n\nledger: the lines that the handlers appended, and kills · jobs: the committed rows of the lane", "$quiet"),
        )
        with Vertical(classes="dialog", id="lab-query"):
            with VerticalScroll(id="lab-query-body"):
                yield Static(content, id="lab-query-text")
            yield KeyHints(indent=0, id="lab-query-foot")

    def on_mount(self) -> None:
        """Set the title."""
        self.query_one("#lab-query").border_title = Content.assemble((f"counted in {self.verdict.lane}", "bold"))

    def action_close(self) -> None:
        """Close it."""
        self.dismiss()
