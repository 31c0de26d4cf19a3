"""An experiment while it is played: the live picture, the verdicts as they are counted, the viewer in control."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.events import Resize
from textual.message import Message

from ..lab.catalog import EXPERIMENTS, LabReport, module_of, wishes_of
from ..lab.inside import Section
from ..lab.live import picture_before
from ..lab.pace import FASTEST, SLOWEST
from ..lab.run import STOPPED, ExperimentRun, RunState
from ..text.sanitize import safe
from ..widgets.base.panel import LineWidget
from ..widgets.base.strips import Piece
from ..widgets.base.styled_text import StyledLine
from ..widgets.base.text_view import TextView
from ..widgets.chrome.key_hints import KeyHints
from ..widgets.lab.inside_view import InsideView
from ..widgets.lab.live_picture import LivePicture, headline
from ..widgets.lab.verdict_table import VerdictTable
from .base import CockpitScreen, TooSmall
from .lab_query import QueryScreen

WIDE = 110
"""The minimum number of columns to show what happens beside the verdicts."""
TALL = 34
"""The minimum number of lines for more verdicts."""
_COUNTED = ("counted from the ledger and the committed rows", "$quiet")


class ExperimentTitle(LineWidget):
    """The line above the picture: the claim, the clock, the seed, the speed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._text = ("", "", "")

    def show(self, name: str, claim: str, right: str) -> None:
        """Show the texts."""
        self._text = (name, claim, right)
        self.redraw()

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        name, claim, right = self._text
        return headline(name, claim, right, width, self.style)


class ExperimentScreen(CockpitScreen):
    """One experiment."""

    HELP_TITLE = "an experiment"
    KEYMAP_SCOPE = "experiment"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "wish('kill')", "kill", tooltip="Crash: kill a worker process in mid-job, again and again"),
        Binding("a", "wish('ageing')", "ageing", tooltip="Starvation: switch ageing on in the lane without it"),
        Binding("K", "wish('key')", "key", tooltip="Side effects: switch the idempotency key on"),
        Binding("plus", "wish('more')", "thread", tooltip="Backlog: add a thread to the worker"),
        Binding("minus", "wish('less')", "less", show=False, tooltip="Backlog: take a thread from the worker"),
        Binding("space", "pause", "pause", tooltip="Pause the experiment, or let it go on"),
        Binding("full_stop", "step", "step", key_display=".", tooltip="Let one thing happen, and pause again"),
        Binding("left_square_bracket", "speed(-1)", "slower", key_display="[", tooltip="Half the speed, down to a quarter"),
        Binding("right_square_bracket", "speed(1)", "faster", key_display="]", tooltip="Twice the speed, up to four times"),
        Binding(
            "i,e", "inside", "look inside", key_display="i", tooltip="The SQL that runs, its query plan, its place in jobdeck"
        ),
        Binding("R", "again", "again", tooltip="Run it again, with the same seed"),
        Binding("y", "copy", "copy", tooltip="Copy the command that repeats the experiment"),
        Binding("S", "save", "save", tooltip="Save a picture of the screen (SVG) in the current folder"),
        Binding("x", "stop", "stop", show=False, tooltip="Stop the experiment, and remove everything that belongs to it"),
        Binding("v", "verdicts", "verdicts", show=False, tooltip="Go to the verdicts; ? shows the query of one"),
        Binding("escape,q", "close", "back", key_display="esc", tooltip="Back to the list; an experiment that runs is stopped"),
    ]

    class Changed(Message):
        """The experiment has changed."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, ExperimentScreen.Changed)

    class Inspected(Message):
        """Carries the sections of the look inside, which were read on a thread."""

        def __init__(self, sections: tuple[Section, ...]) -> None:
            super().__init__()
            self.sections = sections

    def __init__(self, name: str, seed: int) -> None:
        """Create the screen; the experiment starts when it is shown.

        Args:
            name: a name of `EXPERIMENTS`.
            seed: its seed.
        """
        super().__init__()
        self.experiment, self.seed = EXPERIMENTS[name], seed
        self._wishes = {wish.name for wish in wishes_of(name)}
        self._run: ExperimentRun | None = None
        self._shown_events = 0
        self._speed = 1.0

    def compose(self) -> ComposeResult:
        yield ExperimentTitle(id="lab-title")
        with Container(id="play"):
            yield LivePicture(id="picture")
            yield InsideView(id="inside")
        with Container(id="judged"):
            yield VerdictTable(id="lab-verdicts")
            yield TextView("what happens", "", follow=True, id="lab-events")
        yield KeyHints(id="hints")
        yield TooSmall()

    def on_mount(self) -> None:
        """Show the picture before, and start."""
        self.query_one(LivePicture).show(picture_before(module_of(self.experiment.name)))
        self._start()

    def on_unmount(self) -> None:
        """Stop the experiment."""
        self._end()

    def on_resize(self, event: Resize) -> None:
        super().on_resize(event)
        self.set_class(event.size.width >= WIDE, "-wide")
        self.set_class(event.size.height >= TALL, "-tall")

    @property
    def state(self) -> RunState:
        """The state of the run."""
        assert self._run is not None
        return self._run.state

    # -- running --------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._shown_events = 0
        self._run = ExperimentRun(self.experiment.name, self.seed, self._post_change)
        if self._speed != 1.0:
            self._run.set_speed(self._speed)
        self._show_state()

    def _end(self) -> None:
        if self._run is not None and self.state.is_running:
            threading.Thread(target=self._run.close, name="jobdeck-lab-closing").start()

    def _post_change(self) -> None:
        self.post_message(self.Changed())

    def on_experiment_screen_changed(self) -> None:
        """Show what has happened."""
        if self.is_mounted:
            self._show_state()

    def _show_state(self) -> None:
        state = self.state
        self.query_one(ExperimentTitle).show(self.experiment.name, self.experiment.claim, self._status())
        if state.view is not None:
            self.query_one(LivePicture).show(state.view.picture)
        verdicts = self.query_one(VerdictTable)
        has_failed = state.problem not in ("", STOPPED)
        if state.report is not None:
            verdicts.show_verdicts(state.report.findings.verdicts)
        elif state.view is not None:
            undecided = [lane.name for lane in state.view.picture.lanes if lane.is_active or has_failed]
            # What was counted before a failure decides nothing, whatever it is.
            counted = [replace(each, at_end=True) if has_failed else each for each in state.view.verdicts]
            verdicts.show_verdicts(counted, undecided)
        found = (f"nothing was decided: {safe(state.problem)}", "$warning") if has_failed else _COUNTED
        verdicts.set_titles([found])
        self._show_events()
        self.query_one(KeyHints).redraw()

    def _status(self) -> str:
        state = self.state
        words = [f"seed {state.seed}"]
        if state.is_running:
            words += ["paused"] * state.is_paused + [f"{state.speed:g}×"] * (state.speed != 1)
            words.append(f"{state.view.at if state.view is not None else 0.0:.1f} s")
        else:
            ended = "stopped" if state.problem == STOPPED else "failed"
            words.append(f"done {state.report.seconds:.1f} s" if state.report is not None else ended)
        return " · ".join(words)

    def _show_events(self) -> None:
        state = self.state
        view = self.query_one("#lab-events", TextView)
        if state.report is not None:
            view.set_title("· what it shows")
            view.show(_closing_lines(state.report))
            return
        if state.problem:
            view.show([[(safe(state.problem), "warning")]])
            return
        if len(state.events) < self._shown_events or not self._shown_events:
            view.set_title("")
            view.show([])
        events = state.events[self._shown_events :]
        if events:
            self._shown_events += len(events)
            view.extend([_event_line(each.at, each.lane, each.text) for each in events])
            self.call_after_refresh(view.action_edge, 1)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "wish":
            return self._wish_of(str(parameters[0])) in self._wishes
        return super().check_action(action, parameters)

    @staticmethod
    def _wish_of(name: str) -> str:
        return "more" if name == "less" else name

    def disabled_reason(self, action: str) -> str | None:
        name = action.partition("(")[0]
        if name in ("pause", "step", "speed", "stop", "wish") and not self.state.is_running:
            return "The experiment has ended; R runs it again"
        if name == "again" and self.state.is_running:
            return "The experiment is running; x stops it"
        return None

    def _is_refused(self, action: str) -> bool:
        reason = self.disabled_reason(action)
        if reason is not None:
            self.cockpit.notify_user(reason, failed=True)
        return reason is not None

    # -- keys -----------------------------------------------------------------------------------------

    def action_wish(self, name: str) -> None:
        """Ask the experiment for something that it offers."""
        if self._run is not None and not self._is_refused("wish"):
            self._run.ask(name)

    def action_pause(self) -> None:
        """Pause the experiment, or let it go on."""
        if self._run is not None and not self._is_refused("pause"):
            self._run.set_paused(not self.state.is_paused)
            self._show_state()

    def action_step(self) -> None:
        """Let one thing happen."""
        if self._run is not None and not self._is_refused("step"):
            self._run.step()
            self._show_state()

    def action_speed(self, doublings: int) -> None:
        """Double the speed, or halve it."""
        if self._run is not None and not self._is_refused("speed"):
            self._speed = min(FASTEST, max(SLOWEST, self.state.speed * 2.0**doublings))
            self._run.set_speed(self._speed)
            self._show_state()

    def action_stop(self) -> None:
        """Stop the experiment."""
        if not self._is_refused("stop"):
            self._end()

    def action_again(self) -> None:
        """Run it again, with the same seed."""
        if not self._is_refused("again"):
            self._start()

    def action_copy(self) -> None:
        """Copy the command that repeats the experiment."""
        self.cockpit.copy(f"jobdeck lab {self.experiment.name} --seed {self.seed}", "the command that repeats it")

    def action_save(self) -> None:
        """Save a picture of the screen."""
        name = f"lab-{self.experiment.name}-{self.seed}"
        path = next(path for n in range(1, 10_000) if not (path := Path(f"{name}{f'-{n}' if n > 1 else ''}.svg")).exists())
        try:
            path.write_text(self.app.export_screenshot(title=f"jobdeck lab {self.experiment.name} --seed {self.seed}"), "utf-8")
        except OSError as error:
            self.cockpit.notify_user(f"Cannot save {path}: {error.strerror}", failed=True)
        else:
            self.cockpit.notify_user(f"Saved {path}")

    def action_verdicts(self) -> None:
        """Go to the verdicts."""
        self.query_one(VerdictTable).focus()

    def on_verdict_table_query_asked(self, event: VerdictTable.QueryAsked) -> None:
        """Show the query of a verdict."""
        self.app.push_screen(QueryScreen(event.verdict))

    def on_keyed_table_opened(self, event: VerdictTable.Opened) -> None:
        """Show the query of a verdict."""
        if isinstance(event.table, VerdictTable):
            event.table.action_query()

    def action_inside(self) -> None:
        """Show or hide what is inside."""
        shown = not self.has_class("-inside")
        self.set_class(shown, "-inside")
        if not shown or self._run is None:
            return
        self.query_one(InsideView).show_waiting()
        run = self._run

        def inspect() -> None:
            self.post_message(self.Inspected(run.look_inside()))

        threading.Thread(target=inspect, name="jobdeck-lab-inside", daemon=True).start()

    def on_experiment_screen_inspected(self, message: Inspected) -> None:
        """Show what is inside."""
        view = self.query_one(InsideView)
        view.show_sections(message.sections)
        view.focus()

    def action_close(self) -> None:
        """Hide what is inside, or go back to the list."""
        if self.has_class("-inside"):
            self.remove_class("-inside")
            self.set_focus(None)
        else:
            self.app.pop_screen()


def _event_line(at: float, lane: str, text: str) -> StyledLine:
    meaning = "error" if text.startswith(("kill", "SIGTERM")) else "warning" if "stopped" in text else ""
    return [(f"{at:6.2f} s  ", "quiet"), (f"{lane}: ", "accent"), (safe(text), meaning)]


def _closing_lines(report: LabReport) -> list[StyledLine]:
    harmless = [f"The lane {lane} was to fail, and did not in this run; R runs it again." for lane in report.harmless]
    return [*([(text, "warning")] for text in harmless), *([(note, "")] for note in report.findings.notes)]
