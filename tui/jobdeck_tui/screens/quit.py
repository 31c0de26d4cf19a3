"""Asks how to quit while jobs are running here: drain with a visible countdown, release, or stay."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, Static

from ..feed.messages import DashboardSnapshot
from ..text.format import span
from ..text.sanitize import safe
from .terminal_screen import TerminalDialog

_BAR = 60
"""Maximum width of the countdown bar."""


class QuitScreen(TerminalDialog[str]):
    """The quit dialog. It returns only `stay`; draining and releasing are sent to the app, which exits when they are done."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d,q", "drain", "drain"),
        Binding("r", "release", "release"),
        Binding("escape", "stay", "stay"),
        Binding("left,h", "app.focus_previous", "left", show=False, system=True),
        Binding("right,l", "app.focus_next", "right", show=False, system=True),
    ]

    class Chosen(Message):
        """Asks the app to shut down within `grace` seconds."""

        def __init__(self, grace: float) -> None:
            super().__init__()
            self.grace = grace

    def __init__(self, running: int, grace: float, *, draining: bool = False) -> None:
        super().__init__()
        self._jobs = running
        self._grace = grace
        self._remaining: float | None = None
        self._drain_at_once = draining

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._question(), classes="dialog-title", id="quit-title", markup=False)
            yield Static("", classes="dialog-text", id="quit-text")
            with Horizontal(classes="dialog-buttons"):
                yield Button("Drain  d", id="drain", variant="primary", compact=True)
                yield Button("Release now  r", id="release", compact=True)
                yield Button("Stay  esc", id="stay", compact=True)

    def on_mount(self) -> None:
        """Explain the answers, or start draining if that is decided."""
        self._show_answers()
        if self._drain_at_once:
            self.action_drain()

    def _question(self) -> str:
        return (
            "1 running job: finish or release it?" if self._jobs == 1 else f"{self._jobs} running jobs: finish or release them?"
        )

    def _show_answers(self) -> None:
        text = Content.assemble(
            ("drain", "bold"),
            (f"    claim no more jobs; running jobs get up to {span(self._grace)}\n", "$quiet"),
            ("release", "bold"),
            ("  stop now; the jobs run again later, no attempt lost\n", "$quiet"),
            ("stay", "bold"),
            ("     keep the cockpit open", "$quiet"),
        )
        self.query_one("#quit-text", Static).update(text)

    def show(self, snapshot: DashboardSnapshot) -> None:
        """Update the countdown and the kinds of the running jobs."""
        if self._remaining is None or not self.query("#quit-text"):  # not draining yet, or closing
            return
        running = [job for job in snapshot.overview.running if job.worker == snapshot.local_worker.worker]
        names = ", ".join(sorted({safe(job.kind) for job in running})[:4]) or "writing the last results"
        waiting_for = f"{len(running)} running: {names}" if running else names
        text = self.query_one("#quit-text", Static)
        bar = min(_BAR, text.content_size.width or _BAR)
        full = round(bar * self._remaining / self._grace) if self._grace else 0
        text.update(
            Content.assemble(
                ("█" * full, "$accent"),
                ("░" * (bar - full), "$line"),
                (f"\n{waiting_for}", ""),
                ("\nr to release them now", "$quiet"),
            )
        )

    def _count(self) -> None:
        if self._remaining is not None and self.query("#quit-title"):
            self._remaining = max(0.0, self._remaining - 0.1)
            self.query_one("#quit-title", Static).update(f"Draining: {self._remaining:.1f}s remaining")

    def action_drain(self) -> None:
        """Let the running jobs finish."""
        if self._remaining is None:
            self._remaining = self._grace
            self.query_one("#drain", Button).disabled = True
            self.query_one("#stay", Button).disabled = True
            self.set_interval(0.1, self._count)
            self._count()
            self.app.post_message(self.Chosen(self._grace))

    def action_release(self) -> None:
        """Release the running jobs now."""
        self._remaining = 0.0
        self.query_one("#quit-title", Static).update("Releasing …")
        self.app.post_message(self.Chosen(0.0))

    def action_stay(self) -> None:
        """Close the dialog, unless draining has started."""
        if self._remaining is None:
            self.dismiss("stay")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Run the action of the pressed button."""
        {"drain": self.action_drain, "release": self.action_release, "stay": self.action_stay}[event.button.id or "stay"]()
