"""The lab: the list of experiments, and the picture of the one under the cursor."""

from __future__ import annotations

from random import SystemRandom
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Resize

from ..lab.catalog import EXPERIMENTS, module_of
from ..lab.live import lanes_of, picture_before
from ..lab.picture import LanePicture, Mood, Picture
from ..widgets.chrome.key_hints import KeyHints
from ..widgets.lab.live_picture import LivePicture
from ..widgets.table.keyed_table import KeyedTable, Row, TableColumn
from .base import CockpitScreen, TooSmall

TALL = 34
"""The minimum number of lines to show all experiments at once."""
SCHEDULER = "scheduler"
"""The experiment that the viewer plays."""


class LabScreen(CockpitScreen):
    """The experiments. Enter plays one; the scheduler opens a board of its own."""

    HELP_TITLE = "the lab"
    KEYMAP_SCOPE = "lab"
    AUTO_FOCUS = "#experiments"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "back", key_display="esc", tooltip="Leave the lab"),
    ]

    def compose(self) -> ComposeResult:
        columns = (
            TableColumn("name", "EXPERIMENT"),
            TableColumn("claim", "IT SHOWS", least=20, drop=1, grow=True),
            TableColumn("takes", "TAKES", right=True, drop=2),
        )
        yield KeyedTable("the lab", columns, id="experiments")
        yield LivePicture(id="preview-picture")
        yield KeyHints(id="hints")
        yield TooSmall()

    def on_mount(self) -> None:
        """List the experiments."""
        self.table.show([
            Row(each.name, ([(each.name, "strong")], [(each.claim, "")], [(f"~{each.takes}", "quiet")]))
            for each in EXPERIMENTS.values()
        ])  # fmt: skip
        self.table.set_titles([("real faults on scratch queues; your own queue is not opened", "$quiet")])

    def on_resize(self, event: Resize) -> None:
        super().on_resize(event)
        self.set_class(event.size.height >= TALL, "-tall")

    @property
    def table(self) -> KeyedTable:
        """The experiments."""
        return self.query_one("#experiments", KeyedTable)

    def on_keyed_table_moved(self, event: KeyedTable.Moved) -> None:
        """Show the lanes of the experiment under the cursor."""
        name = str(event.table.key)
        module = module_of(name)
        self.query_one(LivePicture).show(picture_before(module) if lanes_of(module) else _scheduler_lanes())

    def on_keyed_table_opened(self, event: KeyedTable.Opened) -> None:
        """Play the experiment; the scheduler is played on a screen of its own."""
        name = str(event.key)
        if name == SCHEDULER:
            from .lab_scheduler import SchedulerScreen

            self.app.push_screen(SchedulerScreen())
        else:
            self.start(name, SystemRandom().randrange(10_000))

    def start(self, name: str, seed: int) -> None:
        """Play an experiment."""
        from .lab_experiment import ExperimentScreen

        self.app.push_screen(ExperimentScreen(name, seed))

    def action_close(self) -> None:
        """Leave the lab."""
        self.app.pop_screen()


def _scheduler_lanes() -> Picture:
    """Return what the board has counted in each lane whenever it was tried: it is the same in every run."""
    lanes = (("naive", "SELECT, then UPDATE", "12", "of 20 orders run it twice"), ("atomic", "one UPDATE", "0", "of 6 orders"))
    return Picture(
        tuple(LanePicture(name, what, n, label, Mood.BAD if n != "0" else Mood.GOOD) for name, what, n, label in lanes)
    )
