"""Leaving while jobs run: drain with a visible count-down, release, or stay."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from ..feed.messages import Deck
from ..text.format import span
from ..text.sanitize import safe

_BAR = 60
"""Cells of the time that is left, at most."""


class LeaveScreen(ModalScreen[str]):
    """Answers `stay`; draining and releasing are asked of the app at once, and it ends when they are done."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d,q", "drain", "drain"),
        Binding("r", "release", "release"),
        Binding("escape", "stay", "stay"),
        Binding("left,h", "app.focus_previous", "left", show=False, system=True),
        Binding("right,l", "app.focus_next", "right", show=False, system=True),
    ]

    class Asked(Message):
        """End the worker threads within `grace` seconds, then the program."""

        def __init__(self, grace: float) -> None:
            super().__init__()
            self.grace = grace

    def __init__(self, running: int, grace: float, *, draining: bool = False) -> None:
        super().__init__()
        self._jobs = running
        self._grace = grace
        self._left: float | None = None
        self._begin_at_once = draining

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._question(), classes="dialog-title", id="leave-title", markup=False)
            yield Static("", classes="dialog-text", id="leave-text")
            with Horizontal(classes="dialog-buttons"):
                yield Button("Drain  d", id="drain", variant="primary", compact=True)
                yield Button("Release now  r", id="release", compact=True)
                yield Button("Stay  esc", id="stay", compact=True)

    def on_mount(self) -> None:
        """Say what each answer does, or begin if that is decided."""
        self._tell()
        if self._begin_at_once:
            self.action_drain()

    def _question(self) -> str:
        jobs = "1 job runs" if self._jobs == 1 else f"{self._jobs} jobs run"
        return f"{jobs} in here. How shall it end?"

    def _tell(self) -> None:
        text = Content.assemble(
            ("drain", "bold"),
            (f"    claim nothing more; what runs has up to {span(self._grace)}\n", "$quiet"),
            ("release", "bold"),
            ("  stop now; give the attempts back, to run later\n", "$quiet"),
            ("stay", "bold"),
            ("     go on, as if nothing had been asked", "$quiet"),
        )
        self.query_one("#leave-text", Static).update(text)

    def show(self, deck: Deck) -> None:
        """Count down, and name what still runs."""
        if self._left is None or not self.query("#leave-text"):  # not asked yet; or on its way out
            return
        mine = [job for job in deck.overview.running if job.worker == deck.pool.worker]
        names = ", ".join(sorted({safe(job.kind) for job in mine})[:4]) or "the last results are being written"
        waits = f"{len(mine)} running: {names}" if mine else names
        text = self.query_one("#leave-text", Static)
        bar = min(_BAR, text.content_size.width or _BAR)
        full = round(bar * self._left / self._grace) if self._grace else 0
        text.update(
            Content.assemble(
                ("█" * full, "$accent"), ("░" * (bar - full), "$line"), (f"\n{waits}", ""), ("\nr releases them now", "$quiet")
            )
        )

    def _count(self) -> None:
        if self._left is not None and self.query("#leave-title"):
            self._left = max(0.0, self._left - 0.1)
            self.query_one("#leave-title", Static).update(f"Draining: {self._left:.1f}s left")

    def action_drain(self) -> None:
        """Let running jobs finish."""
        if self._left is None:
            self._left = self._grace
            self.query_one("#drain", Button).disabled = True
            self.query_one("#stay", Button).disabled = True
            self.set_interval(0.1, self._count)
            self._count()
            self.app.post_message(self.Asked(self._grace))

    def action_release(self) -> None:
        """Give running jobs back now."""
        self._left = 0.0
        self.query_one("#leave-title", Static).update("Releasing …")
        self.app.post_message(self.Asked(0.0))

    def action_stay(self) -> None:
        """Go on, unless draining has begun."""
        if self._left is None:
            self.dismiss("stay")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer with the mouse or enter."""
        {"drain": self.action_drain, "release": self.action_release, "stay": self.action_stay}[event.button.id or "stay"]()
