"""You are the scheduler: keys advance one worker by one statement."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from math import ceil
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import Resize
from textual.message import Message
from textual.timer import Timer

from ..lab.scheduler.board import Move
from ..lab.scheduler.ladder import move_text
from ..lab.scheduler.programs import LaneStep, StepKind, server_of
from ..lab.scheduler.session import MOST, BoardPicture, SchedulerSession
from ..lab.scheduler.tables import TableRow
from ..text.sanitize import pad
from ..widgets.base.choice_bar import Choice, ChoiceBar, ChoiceGroups, LabeledChoice
from ..widgets.base.styled_text import StyledLine
from ..widgets.base.text_view import TextView
from ..widgets.chrome.key_hints import KeyHints
from ..widgets.lab.inside_view import InsideView
from .base import CockpitScreen, TooSmall

WIDE = 110
"""The minimum number of columns to look inside beside the ladder."""
HUGE = 170
"""The minimum number of columns to show the last step beside both."""
_PLAY = 0.8
"""Seconds between two steps of a counterexample that plays by itself."""
_NUMBER = 4
"""The width of a step's number in the ladder."""
_NARROW = 18
"""The width of a worker's column below which its steps are named shortly."""
_ENGINE = {
    StepKind.RUN: "the handler: appends a line to the ledger",
    StepKind.CLAIM: "the engine's own; its statements are shown after the step",
    StepKind.COMPLETE: "the engine's own: requires state = 'running' and the lease",
}


class SchedulerScreen(CockpitScreen):
    """The board of one lane: the next step of each worker, the ladder so far, the last step with its rows, a verdict.

    The look inside takes the place of the last step, on a small terminal also that of the ladder and the verdict.
    """

    HELP_TITLE = "You are the scheduler"
    KEYMAP_SCOPE = "scheduler"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(
                str(n),
                f"step({n})",
                f"worker {n}",
                show=n < MOST,
                tooltip=f"Let worker {n} take its next step: one statement",
            )
            for n in range(1, MOST + 1)
        ),
        Binding("u", "step_back", "step back", tooltip="Take the last step back, by replaying the others"),
        Binding("e", "enumerate", "every order", tooltip="Try every order, and play the shortest one that runs a job twice"),
        Binding(
            "i",
            "inside",
            "look inside",
            tooltip="The statements of the lane, their query plans, why they are atomic or not, the same in jobdeck",
        ),
        Binding("space", "play", "play", tooltip="Play the counterexample, or pause it"),
        Binding(
            "l",
            "lane(1)",
            "lane",
            tooltip="The next lane: naive, atomic, immediate, jobdeck; those of PostgreSQL if it is configured",
        ),
        Binding("H", "lane(-1)", "lane before", show=False, tooltip="The lane before"),
        Binding("w", "workers", "workers", tooltip="Play with three workers, or with two again"),
        Binding("escape,q", "close", "back", key_display="esc", tooltip="Close the look inside, or go back to the experiments"),
        Binding("r", "reset", "reset", tooltip="Put every worker back to its first step"),
    ]

    class Pictured(Message):
        """The board has changed."""

        def __init__(self, picture: BoardPicture) -> None:
            super().__init__()
            self.picture = picture

    def __init__(self) -> None:
        super().__init__()
        self.picture: BoardPicture | None = None
        """The board as it is shown."""
        self._session: SchedulerSession | None = None
        self._timer: Timer | None = None
        self._is_counting = False

    def compose(self) -> ComposeResult:
        yield ChoiceGroups(id="lanes")
        for title, name in (("workers", "lab-workers"), ("verdict", "lab-verdict")):
            view = TextView(title, "", id=name)
            view.can_focus = False
            if name == "lab-verdict":
                with Horizontal(id="board"):
                    ladder, last = TextView("ladder", "", follow=True, id="ladder"), TextView("last step", "", id="last-step")
                    ladder.can_focus = last.can_focus = False
                    yield ladder
                    yield last
                    yield InsideView(id="inside")
            yield view
        yield KeyHints(id="hints")
        yield TooSmall()

    def on_mount(self) -> None:
        """Open the board, and keep the time of a counterexample that plays."""
        self._timer = self.set_interval(_PLAY, self._play_on, pause=True)
        self._session = SchedulerSession(self._post_picture, server=server_of(self.cockpit.database_url))

    def _post_picture(self, picture: BoardPicture) -> None:
        self.post_message(self.Pictured(picture))

    def on_unmount(self) -> None:
        """Remove the board, without letting the screen wait for it."""
        if self._session is not None:
            threading.Thread(target=self._session.close, name="jobdeck-lab-closing").start()

    @property
    def session(self) -> SchedulerSession:
        """The board that is played."""
        assert self._session is not None
        return self._session

    def on_scheduler_screen_pictured(self, message: Pictured) -> None:
        """Show the board."""
        picture, self.picture = message.picture, message.picture
        if picture.problem:
            self.query_one("#lab-verdict", TextView).show([[(picture.problem, "error")]])
            return
        if self._is_counting and picture.enumeration is not None:
            self._is_counting = False
            self._set_playing(bool(picture.script))
        if not picture.is_scripted:
            self._set_playing(False)
        self.query_one(ChoiceGroups).show([_lane_choices(picture.program.name, self.session.lanes)])
        self.set_class(picture.workers == MOST, "-three")
        self._show_workers(picture)
        self._show_ladder()
        self.call_after_refresh(self._show_ladder)  # the number of workers changes its width
        self.query_one("#last-step", TextView).show(_last_step(picture))
        self.query_one("#lab-verdict", TextView).show(_verdict(picture))
        self._show_inside(picture)
        self.query_one(KeyHints).refresh()

    def _show_inside(self, picture: BoardPicture) -> None:
        view = self.query_one(InsideView)
        if picture.inside is None:
            view.show_waiting()
        else:
            view.show_sections(picture.inside)

    def _show_ladder(self) -> None:
        if self.picture is not None and self.picture.workers:
            ladder = self.query_one("#ladder", TextView)
            width = ladder.scrollable_content_region.width - _NUMBER
            ladder.show(_ladder(self.picture, max(10, width // self.picture.workers)))
            self.call_after_refresh(ladder.action_edge, 1 if self.picture.moves else -1)

    def on_resize(self, event: Resize) -> None:
        super().on_resize(event)
        self.set_class(event.size.width >= WIDE, "-wide")
        self.set_class(event.size.width >= HUGE, "-huge")
        self.call_after_refresh(self._show_ladder)

    def _show_workers(self, picture: BoardPicture) -> None:
        view = self.query_one("#lab-workers", TextView)
        view.set_title(f"· {picture.program.title}")
        lines: list[StyledLine] = []
        for worker, (step, taken) in enumerate(zip(picture.next_steps, picture.taken, strict=True)):
            has = f"  has job {taken}" if taken is not None else ""
            lines.append([(f"{worker + 1} ", "accent"), (f"worker {worker + 1}", "strong"), (has, "quiet")])
            lines.append([("    ", ""), *_step_text(step, idle=taken is None)])
        view.show(lines)
        width = max(20, view.size.width - 4)
        view.styles.height = 2 + min(12, sum(max(1, ceil(sum(len(text) for text, _ in line) / width)) for line in lines))

    def disabled_reason(self, action: str) -> str | None:
        if action == "play" and not (self.picture is not None and self.picture.is_scripted):
            return "No counterexample is loaded; e finds one"
        if action == "step_back" and not (self.picture is not None and self.picture.moves):
            return "No step was taken"
        return None

    # -- keys -----------------------------------------------------------------------------------------

    def _set_playing(self, playing: bool) -> None:
        assert self._timer is not None
        if playing:
            self._timer.resume()
        else:
            self._timer.pause()
        self.is_playing = playing

    is_playing = False
    """`True` if a counterexample plays by itself."""

    def _play_on(self) -> None:
        self.session.follow()

    def action_step(self, worker: int) -> None:
        """Let a worker take its next step."""
        self._set_playing(False)
        self.session.step(worker - 1)

    def action_step_back(self) -> None:
        """Take the last step back."""
        self._set_playing(False)
        self.session.back()

    def action_enumerate(self) -> None:
        """Try every order of the steps."""
        self._set_playing(False)
        self._is_counting = True
        self.query_one("#lab-verdict", TextView).show([[("Trying every order on the real database …", "quiet")]])
        self.session.enumerate()

    def action_play(self) -> None:
        """Play the counterexample from here, or pause it."""
        if self.picture is not None and self.picture.is_scripted:
            self._set_playing(not self.is_playing)

    def action_lane(self, by: int) -> None:
        """Go to another lane."""
        self._set_playing(False)
        self.session.next_lane(by)

    def action_workers(self) -> None:
        """Play with three workers, or with two again."""
        self._set_playing(False)
        self.session.more_workers()

    def action_reset(self) -> None:
        """Put every worker back to its first step."""
        self._set_playing(False)
        self.session.reset()

    def action_inside(self) -> None:
        """Show or hide what is inside the lane."""
        shown = not self.has_class("-inside")
        self.set_class(shown, "-inside")
        self.session.look_inside(shown)
        self.set_focus(self.query_one(InsideView) if shown else None)
        self.call_after_refresh(self._show_ladder)

    def action_close(self) -> None:
        """Hide what is inside, or go back to the experiments."""
        if self.has_class("-inside"):
            self.action_inside()
        else:
            self.app.pop_screen()

    def on_choice_bar_chosen(self, event: ChoiceBar.Chosen) -> None:
        """Go to the clicked lane."""
        if self.picture is not None:
            names = [*self.session.lanes]
            self.action_lane(names.index(event.value) - names.index(self.picture.program.name))


def _lane_choices(chosen: str, names: Iterable[str]) -> list[LabeledChoice]:
    lanes = [LabeledChoice(name, Choice(name), chosen=name == chosen) for name in names]
    return [LabeledChoice("lane", None, meaning="quiet"), *lanes]


def _step_text(step: LaneStep | None, *, idle: bool) -> StyledLine:
    if step is None:
        return [("done", "quiet")]
    if idle and step.kind in (StepKind.RUN, StepKind.COMPLETE):
        return [(f"{step.label}: ", ""), ("nothing, it has no job", "quiet")]
    return [(step.sql or f"{step.label}: ", "accent" if step.sql else ""), (_ENGINE.get(step.kind, ""), "quiet")]


def _ladder(picture: BoardPicture, column: int) -> list[StyledLine]:
    """Draw the steps that were taken, and the ones that the counterexample will take."""
    heads = "".join(pad(f"worker {worker + 1}", column) for worker in range(picture.workers))
    lines: list[StyledLine] = [[(f"{'':{_NUMBER}}{heads}".rstrip(), "quiet")]]
    script = picture.script if picture.is_scripted or _is_played(picture) else ()
    steps: list[int] = [0] * picture.workers
    for number, (move, planned) in enumerate(zip_longest(picture.moves, script), start=1):
        worker = planned if move is None else move.worker
        if move is None:
            text, meaning = picture.program.steps[steps[worker]].label, "line"
        else:
            text, meaning = move_text(move), _meaning(move)
        steps[worker] += 1
        if column < _NARROW:
            text = text.removesuffix(" again")
        line: StyledLine = [(f"{number:>2}".ljust(_NUMBER), "quiet")]
        for each in range(picture.workers):
            line.append((pad(text, column), meaning) if each == worker else (pad("│", column), "line"))
        lines.append(line)
    if picture.last is not None and picture.last.blocked:
        line = [(" …".ljust(_NUMBER), "quiet")]
        for each in range(picture.workers):
            line.append(
                (pad("waits: locked", column), "warning") if each == picture.last.worker else (pad("│", column), "line")
            )
        lines.append(line)
    return lines


def _is_played(picture: BoardPicture) -> bool:
    return bool(picture.script) and tuple(move.worker for move in picture.moves) == picture.script


def _meaning(move: Move) -> str:
    if move.run_again:
        return "error"
    return "good" if move.step.kind is StepKind.RUN and move.note.startswith("job") else ""


def _last_step(picture: BoardPicture) -> list[StyledLine]:
    last = picture.last
    if last is None:
        return [
            [(" ".join(str(n + 1) for n in range(picture.workers)), "accent"), (" let a worker take one step.", "quiet")],
            [],
            *_rows("rows", picture.rows),
        ]
    lines: list[StyledLine] = [[(f"worker {last.worker + 1}: ", "strong"), (move_text(last), _meaning(last))]]
    lines += [[(text, "accent")] for text in last.statements]
    if last.before != last.after:
        return [*lines, *_rows("rows before", last.before), *_rows("rows after", last.after)]
    return [*lines, *_rows("rows, unchanged", picture.rows)]


def _rows(title: str, rows: Sequence[TableRow]) -> list[StyledLine]:
    lines: list[StyledLine] = [[(title, "quiet")]]
    for row in rows:
        more = " ".join(filter(None, (row.worker, f"lease …{row.lease}" if row.lease else "")))
        lines.append([("  ", ""), (f"job {row.job}  ", "strong"), (row.state, row.state), (f"  {more}", "quiet")])
    return lines


def _verdict(picture: BoardPicture) -> list[StyledLine]:
    """Say what the ledger shows, and what trying every order has found."""
    runs = ", then ".join(f"worker {worker + 1}" for worker, _ in picture.runs)
    if picture.double_runs:
        first: StyledLine = [("✗ A job ran twice: ", "error"), (f"{runs}.", "")]
    elif picture.runs:
        first = [("✓ No job ran twice: ", "good"), (f"{runs}.", "")]
    else:
        first = [("No job has run yet.", "quiet")]
    first.append(("  (from the ledger)", "quiet"))
    found = picture.enumeration
    if found is None:
        return [first, [(picture.program.claim, "quiet")]]
    mark, meaning = ("✗", "error") if found.bad else ("✓", "good")
    text = f"{mark} {found.bad:,} of {found.total:,} orders of {found.workers} workers run the job twice."
    return [first, [(text, meaning)]]
