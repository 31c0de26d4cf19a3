"""Previews and confirms a bulk action: the number of jobs by state, and the number of skipped jobs with the reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Static

from jobdeck import Operation, State

from ..feed.job_actions import ActionPreview, JobAction, Selection, disabled_reason
from ..text.format import GLYPHS, number
from ..text.sanitize import clip, safe
from .terminal_screen import TerminalDialog

_WIDTH = 68


class BulkConfirmScreen(TerminalDialog[ActionPreview]):
    """The confirmation of a bulk action. The safe answer has the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "close", "no"),
        Binding("y", "answer", "yes"),
        Binding("left,h", "app.focus_previous", "left", show=False, system=True),
        Binding("right,l", "app.focus_next", "right", show=False, system=True),
    ]
    AUTO_FOCUS = "#no"

    def __init__(self, action: JobAction, selection: Selection, counted: ActionPreview | None = None) -> None:
        """Create the dialog.

        Args:
            action: the action.
            selection: the jobs.
            counted: the preview, if it is known; otherwise `show` receives it later.
        """
        super().__init__()
        self._counted = counted
        self._deed, self._selection = action, selection
        self.weighed: ActionPreview | None = None
        """The preview; `None` until it has been counted."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content(clip(safe(self._question), _WIDTH)), classes="dialog-title", markup=False)
            yield Static(Content.assemble(("counting …", "$quiet")), classes="dialog-text", id="weighed")
            with Horizontal(classes="dialog-buttons"):
                yield Button("Cancel  esc", id="no", compact=True)
                yield Button(f"{self._deed.verb}  y", id="yes", variant=self._variant, compact=True, disabled=True)

    def on_mount(self) -> None:
        """Show the preview, if it is known."""
        if self._counted is not None:
            self._show(self._counted)

    @property
    def _variant(self) -> Literal["error", "primary"]:
        return "error" if self._deed.operation in (Operation.CANCEL, Operation.DELETE) else "primary"

    @property
    def _question(self) -> str:
        what = "Change the priority of" if self._deed.operation is Operation.REPRIORITIZE else self._deed.verb
        return f"{what} {self._selection.description}?"

    def show(self, preview: ActionPreview) -> None:
        """Show the preview."""
        if self.is_mounted:
            self._show(preview)

    def _show(self, preview: ActionPreview) -> None:
        self.weighed = preview
        self.query_one("#weighed", Static).update(Content("\n").join(_lines(preview)))
        yes = self.query_one("#yes", Button)
        n = len(preview.ids)
        yes.label = f"{self._deed.verb} {number(n)} job{'s' * (n != 1)}  y"
        yes.disabled = not n

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Close with the answer of the pressed button."""
        self.dismiss(self.weighed if event.button.id == "yes" else None)

    def action_answer(self) -> None:
        """Confirm the action, if the preview is complete and not empty."""
        if self.weighed is not None and self.weighed.ids:
            self.dismiss(self.weighed)

    def action_close(self) -> None:
        """Close without running the action."""
        self.dismiss(None)


def _lines(preview: ActionPreview) -> Iterable[Content]:
    n = len(preview.ids)
    operation = preview.action.operation
    if n:
        yield Content.assemble((f"{number(n):>9} ", "bold"), (preview.action.future_text, "bold"))
    else:
        yield Content.assemble(("  nothing to do: the action applies to none of these jobs", "$warning"))
    for state, count in _sorted(preview.affected):
        irreversible = operation is Operation.CANCEL and state is State.RUNNING
        yield _line(state, count, "asked to stop; z cannot undo this" if irreversible else "")
    skipped = sum(preview.refused.values()) + preview.missing
    if skipped:
        yield Content("")
        yield Content.assemble((f"{number(skipped):>9} ", "bold"), ("will be skipped", ""))
    for state, count in _sorted(preview.refused):
        yield _line(state, count, disabled_reason(operation, state))
    if preview.missing:
        yield Content.assemble((f"{number(preview.missing):>11}   ", ""), ("deleted since they were marked", "$quiet"))
    if n:
        yield Content("")
        yield Content.assemble((_undo_text(preview), "$quiet"))


def _undo_text(preview: ActionPreview) -> str:
    rest = len(preview.ids) - preview.irreversible
    if not preview.irreversible:
        return "z undoes it as one change."
    return f"z undoes it for the other {number(rest)}, as one change." if rest else "z cannot undo this."


def _sorted(counts: Mapping[State, int]) -> list[tuple[State, int]]:
    return sorted(((state, n) for state, n in counts.items() if n), key=lambda each: -each[1])


def _line(state: State, count: int, note: str) -> Content:
    color = _COLORS.get(state, "")
    return Content.assemble(
        (f"{number(count):>11} ", ""), (f"{GLYPHS[state]} {state.value:<10}", color), (f"  {note}" if note else "", "$quiet")
    )


_COLORS = {
    State.RUNNING: "$accent",
    State.RETRYING: "$warning",
    State.FAILED: "$error",
    State.COMPLETED: "$success",
    State.SCHEDULED: "$later",
    State.WAITING: "$quiet",
    State.CANCELLED: "$quiet",
}
