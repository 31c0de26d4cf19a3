"""Every queue: how deep it is, how long its oldest job has waited, what limits it, and when it will be empty."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, cast

from textual.binding import Binding, BindingType
from textual.widget import Widget

from jobdeck import State

from ..format import limits_text, number, queue_filter
from ..looks.queues import QueueSeen, QueuesLook
from ..text import safe
from ..widgets.charts import sparkline
from ..widgets.keyed_table import Head, KeyedTable, Row
from .room import RoomScreen

_HEADS = (
    Head("name", "QUEUE", least=8, most=24, grow=True),
    Head("ready", "READY", right=True),
    Head("running", "RUNNING", right=True),
    Head("limits", "LIMITS", drop=1),
    Head("spark", "LAST 5 MIN", least=30, drop=2),
)


class QueuesScreen(RoomScreen):
    """The table of queues."""

    HELP_TITLE = "Queues"
    ROOM = "queues"
    AUTO_FOCUS = "#queues-table"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "pause/resume", tooltip="Pause or resume the chosen queue"),
    ]

    def body(self) -> Iterable[Widget]:
        yield KeyedTable("queues", _HEADS, digit="3", empty=[[("  no queue has jobs yet", "quiet")]], id="queues-table")

    def look(self) -> QueuesLook:
        return QueuesLook()

    def show(self, seen: object) -> None:
        queues = cast("tuple[QueueSeen, ...]", seen)
        self.query_one(KeyedTable).show([_row(each) for each in queues])

    def on_keyed_table_opened(self, event: KeyedTable.Opened) -> None:
        """Show the jobs of the queue."""
        self.cockpit.show_jobs(queue_filter(str(event.key)))

    def action_pause(self) -> None:
        """Pause or resume the chosen queue."""
        key = self.query_one(KeyedTable).key
        if key is not None and not self.cockpit.refuse_readonly():
            self.cockpit.feed.toggle(str(key))


def _row(seen: QueueSeen) -> Row:
    info = seen.info
    rates = [slot.throughput for slot in seen.metrics.slots] if seen.metrics else []
    return Row(
        info.name,
        (
            [(safe(info.name), ""), *[("  ‖ paused", "warning")] * info.paused],
            [(number(info.pending), "strong" if info.pending else "quiet")],
            [(number(info.counts.get(State.RUNNING, 0)), "running")],
            [(limits_text(info.limits) or "—", "quiet")],
            [(sparkline(rates, 30), "accent")],
        ),
    )
