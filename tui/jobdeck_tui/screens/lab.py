"""The lab: the list of experiments, what happens in the one that runs, and its verdicts."""

from __future__ import annotations

import threading
from random import SystemRandom
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.events import Resize
from textual.message import Message

from ..lab.catalog import EXPERIMENTS, LabReport
from ..lab.run import ExperimentRun, RunState
from ..text.sanitize import safe
from ..widgets.base.styled_text import StyledLine
from ..widgets.base.text_view import TextView
from ..widgets.chrome.key_hints import KeyHints
from ..widgets.table.keyed_table import KeyedTable, Row, TableColumn
from .base import CockpitScreen, TooSmall

WIDE = 110
"""The minimum number of columns to show the verdicts beside what happens."""
TALL = 34
"""The minimum number of lines to show all experiments at once."""
SCHEDULER = "scheduler"
"""The experiment that the viewer plays."""


class LabScreen(CockpitScreen):
    """The experiments. Enter runs one; the scheduler opens a board of its own."""

    HELP_TITLE = "the lab"
    KEYMAP_SCOPE = "lab"
    AUTO_FOCUS = "#experiments"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "stop", "stop", tooltip="Stop the experiment, and remove everything that belongs to it"),
        Binding("R", "again", "again", tooltip="Run the last experiment again, with the same seed"),
        Binding("i", "queries", "look inside", tooltip="Show the query that counted each verdict"),
        Binding("y", "copy", "copy", tooltip="Copy the command that repeats the experiment"),
        Binding("escape,q", "close", "back", key_display="esc", tooltip="Leave the lab; an experiment that runs is stopped"),
    ]

    class Changed(Message):
        """The experiment that runs has changed."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, LabScreen.Changed)

    def __init__(self) -> None:
        super().__init__()
        self._run: ExperimentRun | None = None
        self._with_queries = False

    def compose(self) -> ComposeResult:
        columns = (
            TableColumn("name", "EXPERIMENT"),
            TableColumn("claim", "IT SHOWS", least=20, drop=1, grow=True),
            TableColumn("takes", "TAKES", right=True, drop=2),
        )
        yield KeyedTable("the lab", columns, id="experiments")
        with Container(id="stage"):
            yield TextView("what happens", "", follow=True, id="lab-events")
            yield TextView("verdicts", "", id="lab-verdicts")
        yield KeyHints(id="hints")
        yield TooSmall()

    def on_mount(self) -> None:
        """List the experiments."""
        self.table.show([
            Row(each.name, ([(each.name, "strong")], [(each.claim, "")], [(f"~{each.takes}", "quiet")]))
            for each in EXPERIMENTS.values()
        ])  # fmt: skip
        self.table.set_titles([("real faults on scratch queues; your own queue is not opened", "$quiet")])
        self._show_state()

    def on_unmount(self) -> None:
        """Stop the experiment."""
        self._end()

    def _end(self) -> None:
        if self._run is not None and self._run.state.is_running:
            threading.Thread(target=self._run.close, name="jobdeck-lab-closing").start()

    def on_resize(self, event: Resize) -> None:
        super().on_resize(event)
        self.set_class(event.size.width >= WIDE, "-wide")
        self.set_class(event.size.height >= TALL, "-tall")

    @property
    def table(self) -> KeyedTable:
        """The experiments."""
        return self.query_one("#experiments", KeyedTable)

    @property
    def state(self) -> RunState | None:
        """The state of the experiment that ran last."""
        return None if self._run is None else self._run.state

    # -- running --------------------------------------------------------------------------------------

    def on_keyed_table_opened(self, event: KeyedTable.Opened) -> None:
        """Run the experiment; the scheduler is played on a screen of its own."""
        name = str(event.key)
        if name == SCHEDULER:
            from .lab_scheduler import SchedulerScreen

            self.app.push_screen(SchedulerScreen())
        else:
            self.start(name, SystemRandom().randrange(10_000))

    def start(self, name: str, seed: int) -> None:
        """Run an experiment, unless one is running."""
        if self.state is not None and self.state.is_running:
            self.cockpit.notify_user(f"{self.state.name} is running; x stops it", failed=True)
            return
        self._run = ExperimentRun(name, seed, self._post_change)
        self._show_state()

    def _post_change(self) -> None:
        self.post_message(self.Changed())

    def on_lab_screen_changed(self) -> None:
        """Show what has happened."""
        self._show_state()

    def _show_state(self) -> None:
        state = self.state
        events, verdicts = self.query_one("#lab-events", TextView), self.query_one("#lab-verdicts", TextView)
        if state is None:
            events.show([[("⏎", "accent"), (" runs the experiment under the cursor.", "quiet")]])
            verdicts.show([[("Counted from the ledger that the jobs write, and from the committed rows.", "quiet")]])
            return
        phase = "running" if state.is_running else "done" if state.report is not None else "ended"
        events.set_title(f"· {state.name} · seed {state.seed} · {phase}")
        lines = [_event_line(each.at, each.lane, each.text) for each in [*state.events]]
        if state.problem:
            lines.append([(safe(state.problem), "warning")])
        follows = events.at_end
        events.show(lines)
        if follows:
            self.call_after_refresh(events.action_edge, 1)
        if state.report is not None:
            verdicts.show(_verdict_lines(state.report, with_queries=self._with_queries))
        else:
            verdicts.show(_live_lines(state))
        self.query_one(KeyHints).refresh()

    def disabled_reason(self, action: str) -> str | None:
        state = self.state
        if action == "stop" and not (state is not None and state.is_running):
            return "No experiment is running"
        if action in ("again", "copy") and state is None:
            return "No experiment has run"
        if action == "queries" and (state is None or state.report is None):
            return "No verdict yet"
        return None

    # -- keys -----------------------------------------------------------------------------------------

    def action_stop(self) -> None:
        """Stop the experiment."""
        self._end()

    def action_again(self) -> None:
        """Run the last experiment again."""
        if self.state is not None:
            self.start(self.state.name, self.state.seed)

    def action_queries(self) -> None:
        """Show or hide the queries of the verdicts."""
        self._with_queries = not self._with_queries
        self._show_state()

    def action_copy(self) -> None:
        """Copy the command that repeats the experiment."""
        if self.state is not None:
            self.cockpit.copy(f"jobdeck lab {self.state.name} --seed {self.state.seed}", "the command that repeats it")

    def action_close(self) -> None:
        """Leave the lab."""
        self.app.pop_screen()


def _event_line(at: float, lane: str, text: str) -> StyledLine:
    meaning = "error" if text.startswith(("kill", "SIGTERM")) else "warning" if "stopped" in text else ""
    return [(f"{at:6.2f} s  ", "quiet"), (f"{lane}: ", "accent"), (safe(text), meaning)]


def _live_lines(state: RunState) -> list[StyledLine]:
    lines: list[StyledLine] = []
    for lane, figures in [*state.figures.items()]:
        line: StyledLine = [(f"{lane:<10} ", "accent")]
        for name, value in figures.items():
            line += [(f"{value:g} ", "error" if name == "twice" and value else "strong"), (f"{name}   ", "quiet")]
        lines.append(line)
    if state.is_running:
        lines.append([("The verdicts follow at the end.", "quiet")])
    return lines


def _verdict_lines(report: LabReport, *, with_queries: bool) -> list[StyledLine]:
    lines: list[StyledLine] = []
    for each in report.findings.verdicts:
        mark, meaning = ("✓", "good") if each.holds else ("✗", "error")
        lines.append([
            (f"{mark} {each.lane}: ", meaning),
            (f"{each.value:g}", "strong"),
            (f" {each.claim}", ""),
            ("" if each.holds else f"  must be {each.limit}", "quiet"),
        ])  # fmt: skip
        if with_queries:
            lines.append([(f"    {each.query}", "quiet")])
    harmless = [f"The lane {lane} was to fail, and did not in this run; R runs it again." for lane in report.harmless]
    return [*lines, *([(text, "warning")] for text in harmless), [], *([(note, "quiet")] for note in report.findings.notes)]
