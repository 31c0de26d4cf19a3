"""What all screens share: the line of hints, help made from the bindings, and clicks that press keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from ..feed.connection_status import Plight
from ..terminal.screen_size import MIN_SIZE
from ..widgets.base.panel import JobOpened
from ..widgets.chrome.header import Header

if TYPE_CHECKING:
    from ..app import Cockpit
    from ..feed.messages import Detail


READONLY = "This cockpit was opened with --readonly: it only looks"


class TooSmall(Static):
    """Says which size is needed, in place of everything else."""

    def __init__(self) -> None:
        super().__init__(f"jobdeck needs at least {MIN_SIZE[0]}×{MIN_SIZE[1]} characters; make the terminal larger.")


class DeckScreen(Screen[None]):
    """A screen of the cockpit."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", tooltip="Every key of this screen"),
        Binding("colon,ctrl+p", "app.command_palette", "commands", tooltip="Find a command by its name"),
    ]
    HELP_TITLE: ClassVar[str] = ""
    PARTS: ClassVar[tuple[type[Widget], ...]] = ()
    """What the screen cannot do without."""
    _parts: Sequence[Widget] = ()

    @property
    def whole(self) -> bool:
        """Whether every part is in its place: a snapshot may come before they are, or while the program ends."""
        if not self.is_mounted:
            return False
        if not self._parts:  # to look for them at each snapshot would cost more than to draw it
            found = [self.query(part) for part in self.PARTS]
            self._parts = [each.first() for each in found] if all(found) else []
        return len(self._parts) == len(self.PARTS) and all(part.is_attached for part in self._parts)

    def tell_plight(self, plight: Plight | None) -> None:
        """Say what is wrong with the database in the header, or in a line of its own where there is none."""
        if not self.is_mounted:
            return
        header = next((each for each in self.query(Header)), None)
        if header is None and plight is not None:
            header = Header("", classes="-plight")
            self.mount(header, before=0)
        if header is None:
            return
        if plight is None and header.has_class("-plight"):
            header.remove()
        else:
            header.tell_plight(plight)

    def see_detail(self, detail: Detail) -> None:
        """Take the newest look at the job that is followed; only the screen of that job shows it."""

    def on_resize(self, event: Resize) -> None:
        """Give way to one sentence where there is no room."""
        self.set_class(event.size.width < MIN_SIZE[0] or event.size.height < MIN_SIZE[1], "-too-small")

    @property
    def cockpit(self) -> Cockpit:
        """The app, by its type."""
        from ..app import Cockpit

        assert isinstance(self.app, Cockpit)
        return self.app

    def on_job_opened(self, event: JobOpened) -> None:
        """Open the job."""
        self.cockpit.open_job(event.job_id)

    def why_not(self, action: str) -> str | None:
        """Why the action of a key can do nothing now, in a sentence; `None` where it can. Its hint is dimmed meanwhile."""
        return None

    def action_help(self) -> None:
        """Show every key of this screen."""
        from .help import HelpScreen

        self.app.push_screen(HelpScreen.of(self))
