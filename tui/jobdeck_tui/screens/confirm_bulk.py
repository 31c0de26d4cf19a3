"""What an act on many jobs would do, before it is done: how many of each state, how many not, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from jobdeck import Operation, State

from ..feed.job_actions import Deed, Selection, Weighed, why_not
from ..text.format import GLYPHS, number
from ..text.sanitize import clip, safe

_WIDTH = 68


class WeighScreen(ModalScreen[Weighed]):
    """The question before an act on many jobs. The safe answer has the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "close", "no"),
        Binding("y", "answer", "yes"),
        Binding("left,h", "app.focus_previous", "left", show=False, system=True),
        Binding("right,l", "app.focus_next", "right", show=False, system=True),
    ]
    AUTO_FOCUS = "#no"

    def __init__(self, deed: Deed, selection: Selection) -> None:
        super().__init__()
        self._deed, self._selection = deed, selection
        self.weighed: Weighed | None = None
        """What was counted; `None` until it is."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content(clip(safe(self._question), _WIDTH)), classes="dialog-title", markup=False)
            yield Static(Content.assemble(("counting …", "$quiet")), classes="dialog-text", id="weighed")
            with Horizontal(classes="dialog-buttons"):
                yield Button("Keep  esc", id="no", compact=True)
                yield Button(f"{self._deed.verb}  y", id="yes", variant=self._variant, compact=True, disabled=True)

    @property
    def _variant(self) -> Literal["error", "primary"]:
        return "error" if self._deed.operation in (Operation.CANCEL, Operation.DELETE) else "primary"

    @property
    def _question(self) -> str:
        what = "Change the priority of" if self._deed.operation is Operation.REPRIORITISE else self._deed.verb
        return f"{what} {self._selection.told}?"

    def show(self, weighed: Weighed) -> None:
        """Show what was counted."""
        if not self.is_mounted:
            return
        self.weighed = weighed
        self.query_one("#weighed", Static).update(Content("\n").join(_lines(weighed)))
        yes = self.query_one("#yes", Button)
        n = len(weighed.ids)
        yes.label = f"{self._deed.verb} {number(n)} job{'s' * (n != 1)}  y"
        yes.disabled = not n

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer with the mouse or enter."""
        self.dismiss(self.weighed if event.button.id == "yes" else None)

    def action_answer(self) -> None:
        """Do it, once it is known what."""
        if self.weighed is not None and self.weighed.ids:
            self.dismiss(self.weighed)

    def action_close(self) -> None:
        """Leave them as they are."""
        self.dismiss(None)


def _lines(weighed: Weighed) -> Iterable[Content]:
    n = len(weighed.ids)
    operation = weighed.deed.operation
    if n:
        yield Content.assemble((f"{number(n):>9} ", "bold"), (weighed.deed.will, "bold"))
    else:
        yield Content.assemble(("  nothing to do: none of them can be changed this way", "$warning"))
    for state, count in _sorted(weighed.able):
        asked = operation is Operation.CANCEL and state is State.RUNNING
        yield _line(state, count, "asked to stop, which z cannot take back" if asked else "")
    left = sum(weighed.refused.values()) + weighed.gone
    if left:
        yield Content("")
        yield Content.assemble(
            (f"{number(left):>9} ", "bold"), ("will be left as they are" if left != 1 else "will be left", "")
        )
    for state, count in _sorted(weighed.refused):
        yield _line(state, count, why_not(operation, state))
    if weighed.gone:
        yield Content.assemble((f"{number(weighed.gone):>11}   ", ""), ("gone since they were marked", "$quiet"))
    if n:
        yield Content("")
        yield Content.assemble(("z takes it back as one act.", "$quiet"))


def _sorted(counts: Mapping[State, int]) -> list[tuple[State, int]]:
    return sorted(((state, n) for state, n in counts.items() if n), key=lambda each: -each[1])


def _line(state: State, count: int, why: str) -> Content:
    colour = _COLOURS.get(state, "")
    return Content.assemble(
        (f"{number(count):>11} ", ""), (f"{GLYPHS[state]} {state.value:<10}", colour), (f"  {why}" if why else "", "$quiet")
    )


_COLOURS = {
    State.RUNNING: "$accent",
    State.RETRYING: "$warning",
    State.FAILED: "$error",
    State.COMPLETED: "$success",
    State.SCHEDULED: "$later",
    State.WAITING: "$quiet",
    State.CANCELLED: "$quiet",
}
