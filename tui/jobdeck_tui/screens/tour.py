"""The tour: a question to the audience, something real that answers it, and what to say about it; step by step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.events import Resize
from textual.message import Message

from ..demo.demo import Demo
from ..text.sanitize import safe
from ..tour.session import Phase, TourSession
from ..widgets.base.choice_bar import ChoiceBar, NumberedTabs
from ..widgets.base.panel import LineWidget
from ..widgets.base.strips import Piece, width_of
from ..widgets.base.styled_text import StyledLine
from ..widgets.base.text_view import TextView
from ..widgets.chrome.key_hints import KeyHints
from .base import CockpitScreen, TooSmall

WIDE, TALL = 110, 34
"""The size from which the question, what runs and what to say are shown together."""
_LATE = 15
"""Seconds behind the plan from which the clock says so."""
_LABEL = 11
"""The width of the labels beside what to say."""
StartTour = Callable[[Demo, Callable[[], None]], TourSession]
"""Starts a tour, given what to call when the picture of an act has changed."""


class TourHead(LineWidget):
    """The title of the step, and the clock."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._left: Sequence[tuple[str, str]] = ()
        self._right: Sequence[tuple[str, str]] = ()

    def show(self, left: Sequence[tuple[str, str]], right: Sequence[tuple[str, str]]) -> None:
        """Show pieces of text and meaning at both ends."""
        if (left, right) != (self._left, self._right):
            self._left, self._right = left, right
            self.refresh()

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        left: list[Piece] = [(text, self.style(meaning)) for text, meaning in self._left]
        right: list[Piece] = [(text, self.style(meaning)) for text, meaning in self._right]
        gap = width - width_of(left) - width_of(right)
        return [*left, (" " * max(1, gap), self.style("quiet")), *right]


class TourScreen(CockpitScreen):
    """One step at a time. On a small terminal the question, what runs and what to say follow each other."""

    HELP_TITLE = "the tour"
    HAS_DEMO_KEYS = False
    KEYMAP_SCOPE = "tour"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,enter,right", "next", "next", key_display="space", tooltip="Run it; then the next step"),
        Binding(
            "backspace,b,left", "step_back", "back", key_display="b", tooltip="Back to the question, or to the step before"
        ),
        Binding("s", "skip", "skip", tooltip="To the next step at once; what runs is stopped"),
        Binding("j,down", "predict(1)", "predict", key_display="j k", tooltip="Mark what the audience predicts"),
        Binding("k,up", "predict(-1)", "predict the one before", show=False, tooltip="Mark the prediction above"),
        Binding("1", "chapter(1)", "chapter", key_display="1…6", tooltip="Go to a chapter"),
        *(Binding(str(n), f"chapter({n})", f"chapter {n}", show=False, system=True) for n in range(2, 7)),
        Binding("escape,q", "close", "leave", key_display="esc", tooltip="Leave the tour; what runs is stopped"),
    ]

    class Changed(Message):
        """The act that runs has changed."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, TourScreen.Changed)

    def __init__(self, start: StartTour) -> None:
        """Create the screen.

        Args:
            start: starts the tour.
        """
        super().__init__()
        self._start = start
        self._session: TourSession | None = None

    def compose(self) -> ComposeResult:
        yield TourHead(id="tour-head")
        yield NumberedTabs((), "", gaps=(3, 1), id="tour-chapters")
        yield _view("question")
        with Container(id="tour-stage"):
            yield _view("live", follow=True)
            yield _view("say")
        yield KeyHints(id="hints")
        yield TooSmall()

    def on_mount(self) -> None:
        """Start the tour and its clock."""
        assert self.cockpit.demo is not None
        self._session = self._start(self.cockpit.demo, self._post_change)
        self.query_one(NumberedTabs).set_tabs([(str(n), name) for n, name in enumerate(self.session.chapters, 1)])
        self.set_interval(0.5, self._show_clock)
        self.call_after_refresh(self._show)

    def _post_change(self) -> None:
        self.post_message(self.Changed())

    def on_unmount(self) -> None:
        """End what runs, without letting the screen wait for it."""
        if self._session is not None:
            threading.Thread(target=self._session.close, name="jobdeck-tour-closing").start()

    @property
    def session(self) -> TourSession:
        """The tour."""
        assert self._session is not None
        return self._session

    def on_resize(self, event: Resize) -> None:
        super().on_resize(event)
        self.set_class(event.size.width >= WIDE and event.size.height >= TALL, "-large")
        if self._session is not None:
            self._show()

    def on_tour_screen_changed(self) -> None:
        """Show how far the act is; at its end comes what to say."""
        self.session.on_act_changed()
        self._show()

    # -- what is shown ---------------------------------------------------------------------------------

    def _show(self) -> None:
        session = self.session
        if not self.query("#tour-say"):
            return  # not mounted yet, or closing
        for phase in Phase:
            self.set_class(session.phase is phase, f"-{phase.value}")
        question, live, say = (self.query_one(f"#tour-{name}", TextView) for name in ("question", "live", "say"))
        over = session.phase is Phase.END
        self.query_one(NumberedTabs).open("" if over else session.step.chapter)
        question.label = "summary" if over else "question"
        question.set_title("")
        roomy = self.has_class("-large")
        question.show(_summary(session) if over else _question(session, roomy=roomy))
        live.set_title(_live_title(session))
        live.show(_live(session, roomy=roomy))
        if session.phase is Phase.SAY:
            self.call_after_refresh(live.action_edge, -1)
        say.show(_say(session, roomy=roomy))
        self._show_clock()
        self.query_one(KeyHints).refresh()

    def _show_clock(self) -> None:
        session = self.session
        over = session.phase is Phase.END
        step = "the end" if over else session.step.title
        place = f"{len(session.steps)} steps" if over else f"{session.at + 1} of {len(session.steps)}"
        late = session.behind > _LATE and not over
        self.query_one(TourHead).show(
            [(" tour  ", "quiet"), (step, "strong"), (f"  {place}", "quiet")],
            [
                (f"{session.behind:.0f} s behind  " if late else "", "warning"),
                (_clock(session.elapsed), "accent"),
                (f" / {_clock(session.planned)} ", "quiet"),
            ],
        )

    def disabled_reason(self, action: str) -> str | None:
        if self._session is None:
            return None
        if action == "next" and self._session.phase is Phase.RUN:
            return f"It runs for about {self._session.step.takes} s; s skips it"
        if action.startswith("predict") and self._session.phase is not Phase.ASK:
            return "The question was answered"
        if action in ("next", "skip") and self._session.phase is Phase.END:
            return "The tour is over; esc leaves"
        return None

    # -- keys -----------------------------------------------------------------------------------------

    def action_next(self) -> None:
        """Run the act, or go to the next step."""
        if self.session.next():
            self._show()
        elif (reason := self.disabled_reason("next")) is not None:
            self.cockpit.notify_user(reason)

    def action_step_back(self) -> None:
        """Go back."""
        self.session.back()
        self._show()

    def action_skip(self) -> None:
        """Go to the next step."""
        self.session.skip()
        self._show()

    def action_chapter(self, number: int) -> None:
        """Go to a chapter."""
        self.session.go_to_chapter(number)
        self._show()

    def action_predict(self, by: int) -> None:
        """Mark another choice."""
        session = self.session
        before = session.prediction
        last = len(session.step.choices) - 1
        session.predict((0 if by > 0 else last) if before is None else min(last, max(0, before + by)))
        self._show()

    def action_close(self) -> None:
        """Leave the tour."""
        self.app.pop_screen()

    def on_choice_bar_chosen(self, event: ChoiceBar.Chosen) -> None:
        """Go to the clicked chapter."""
        self.action_chapter([*self.session.chapters].index(event.value) + 1)


def _view(title: str, *, follow: bool = False) -> TextView:
    view = TextView(title, "", follow=follow, id=f"tour-{title}")
    view.can_focus = False
    return view


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _question(session: TourSession, *, roomy: bool) -> list[StyledLine]:
    """Return the question with its choices; once it was answered, with the right one marked."""
    step, answered = session.step, session.phase is not Phase.ASK
    lines: list[StyledLine] = [[(" ", "quiet"), (step.question, "strong")]]
    if answered and not roomy:
        return lines
    lines.append([])
    for n, choice in enumerate(step.choices):
        chosen, right = n == session.prediction, answered and session.phase is Phase.SAY and n == step.answer
        mark, meaning = ("✓", "good") if right else ("❯", "accent") if chosen else ("·", "quiet")
        lines.append([(f"  {mark} ", meaning), (choice, "good" if right else "strong" if chosen else "")])
    if not answered:
        lines += [[], [("  space", "accent"), (" runs ", "quiet"), (step.runs, "quiet")]]
    return lines


def _live_title(session: TourSession) -> str:
    if session.phase is Phase.ASK:
        return ""
    guess = "" if session.prediction is None else f" · predicted: {session.step.choices[session.prediction]}"
    return ("· running" if session.phase is Phase.RUN else "· what happened") + guess


def _live(session: TourSession, *, roomy: bool) -> list[StyledLine]:
    run = session.run
    if session.phase is Phase.ASK:
        return [[("It runs here, on ", "quiet"), ("space", "accent"), (".", "quiet")]]
    if run is None:
        return []
    if run.result is None:
        lines = [*run.lines]
        return lines if run.is_running else [*lines, [(safe(run.problem), "warning")]]
    head: list[StyledLine] = [[(run.result.headline, "strong")]]
    if run.result.is_broken:
        head.append([("jobdeck broke a promise in this run. Say so, and please report it.", "error")])
    return [*head, *([[]] if roomy else []), *run.result.lines]


def _say(session: TourSession, *, roomy: bool) -> list[StyledLine]:
    """Return the talking point; before the act has run, it would give the answer away."""
    if session.phase is not Phase.SAY:
        return [[("The talking point follows the answer.", "quiet")]]
    lines: list[StyledLine] = []
    for label, text in session.step.points:
        if roomy and lines:
            lines.append([])
        lines.append([(f"{label:<{_LABEL}}", "quiet"), (text, "")])
    return lines


def _summary(session: TourSession) -> list[StyledLine]:
    """Return what was shown, chapter by chapter."""
    lines: list[StyledLine] = []
    width = max(len(chapter) for chapter in session.chapters) + 2
    for chapter in session.chapters:
        named = False
        for step in session.steps:
            if step.chapter != chapter:
                continue
            result = session.results.get(step.name)
            text = result.headline if result is not None else f"{step.title}: not run"
            meaning = "quiet" if result is None else "error" if result.is_broken else ""
            lines.append([("".ljust(width) if named else chapter.ljust(width), "quiet"), (text, meaning)])
            named = True
    ran = len(session.results)
    lines += [[], [(f"{ran} of {len(session.steps)} steps were run, in {_clock(session.elapsed)}.", "quiet")]]
    return [
        *lines,
        [("esc", "accent"), (" leaves the tour", "quiet")],
    ]
