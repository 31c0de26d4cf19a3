"""The base of all full screens: help, the connection status, and a message if the terminal is too small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.widget import Widget
from textual.widgets import Static

from ..app_base import CockpitBase, cockpit_of
from ..feed.connection_status import ConnectionStatus
from ..feed.messages import Detail
from ..terminal.screen_size import MIN_SIZE
from ..widgets.base.panel import JobOpened
from ..widgets.chrome.header import Header
from .terminal_screen import TerminalScreen

READONLY = "The cockpit is read-only; restart it without --readonly to make changes"


class TooSmall(Static):
    """Says which size is needed, in place of the screen."""

    def __init__(self) -> None:
        super().__init__(f"jobdeck needs at least {MIN_SIZE[0]}×{MIN_SIZE[1]} characters; make the terminal larger.")


class CockpitScreen(TerminalScreen[None]):
    """A full screen of the cockpit."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", tooltip="Show every key of this screen"),
        Binding("colon,ctrl+p", "app.command_palette", "commands", tooltip="Find a command by its name"),
    ]
    KEYMAP_SCOPE: ClassVar[str] = "every-screen"
    """The table in keys.toml for the bindings that this class itself declares; a subclass has its own table."""
    HELP_TITLE: ClassVar[str] = ""
    HAS_DEMO_KEYS: ClassVar[bool] = True
    """`True` if the keys of the demo work here, in a cockpit that shows one."""
    PARTS: ClassVar[tuple[type[Widget], ...]] = ()
    """The widgets that must be mounted before the screen can show anything."""
    _parts: Sequence[Widget] = ()

    @property
    def is_ready(self) -> bool:
        """Whether every required widget is mounted; snapshots may arrive before that, or during shutdown."""
        if not self.is_mounted:
            return False
        if not self._parts:  # cached: the query would cost more than drawing a snapshot
            matches = [self.query(part) for part in self.PARTS]
            self._parts = [each.first() for each in matches] if all(matches) else []
        return len(self._parts) == len(self.PARTS) and all(part.is_attached for part in self._parts)

    def show_connection_status(self, status: ConnectionStatus | None) -> None:
        """Show the connection status in the header, or in a line of its own if the screen has no header."""
        if not self.is_mounted:
            return
        header = next((each for each in self.query(Header)), None)
        if header is None and status is not None:
            header = Header("", classes="-plight")
            self.mount(header, before=0)
        if header is None:
            return
        if status is None and header.has_class("-plight"):
            header.remove()
        else:
            header.show_status(status)

    def receive_detail(self, detail: Detail) -> None:
        """Receive the latest state of the followed job; only the screen of that job shows it."""

    def on_resize(self, event: Resize) -> None:
        """Show one sentence instead of the screen if the terminal is too small."""
        self.set_class(event.size.width < MIN_SIZE[0] or event.size.height < MIN_SIZE[1], "-too-small")

    @property
    def cockpit(self) -> CockpitBase:
        """The app, typed."""
        return cockpit_of(self.app)

    def on_job_opened(self, event: JobOpened) -> None:
        """Open the job."""
        self.cockpit.open_job(event.job_id)

    def disabled_reason(self, action: str) -> str | None:
        """Return why an action is unavailable, in a sentence, or `None`. The hint of an unavailable action is dimmed."""
        return None

    def action_help(self) -> None:
        """Show every key of this screen."""
        from .help import HelpScreen

        self.app.push_screen(HelpScreen.of(self))
