"""The attempts of a job, the newest first, each with its error and its traceback folded to the frame that raised.

A running attempt shows its stack instead of a traceback, folded to the current frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.css.scalar import Scalar
from textual.events import Click, Resize

from jobdeck import Attempt, Stack, State

from ...text.format import GLYPHS, duration
from ...text.sanitize import safe
from ..base.styled_text import StyledLine, cut, style_commands
from ..base.text_view import TextView
from ..base.tracebacks import Traceback, fold, parse_traceback, unfold
from ..details.job_details import OUTCOME_STATES, format_clock_time

SHOWN = 100
"""The maximum number of attempts shown, the newest first."""

_ERROR_LINES = 500
"""The maximum number of lines of an error message."""

_CURSORS: tuple[StyledLine, StyledLine] = ([(" ", "accent")], [("❯", "accent")])
"""The first piece of the heading of an attempt: not selected, and selected."""
_HEAD = 2
"""The number of pieces of a heading that its continuation lines are indented by: the cursor and the glyph."""


class AttemptsView(TextView):
    """A list of attempts. The traceback of the selected one can be unfolded."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "unfold", "unfold", tooltip="Unfold or fold the traceback or stack of the selected attempt"),
    ]

    def __init__(self, title: str, digit: str, *, id: str | None = None) -> None:
        super().__init__(title, digit, id=id)
        self._attempts: Sequence[Attempt] = ()
        self._now = 0.0
        self._chosen = 0
        self._unfolded: set[float] = set()
        self._read: dict[float, Traceback] = {}
        self._heads: list[int] = []
        self._stack: Stack | None = None
        self._tallest = 0
        self._could_unfold = False

    def show_attempts(self, attempts: Sequence[Attempt], now: float, stack: Stack | None = None) -> None:
        """Show these attempts, given oldest first, and the stack of the running one."""
        if attempts == self._attempts and not any(each.outcome is None for each in attempts) and self.lines:
            return
        if len(attempts) != len(self._attempts) or attempts[:1] != self._attempts[:1]:
            self._chosen = 0
        self._attempts, self._now, self._stack = attempts, now, stack
        self._rebuild()
        self._hold_height()

    def on_resize(self, event: Resize) -> None:
        super().on_resize(event)
        self._tallest = 0
        self._hold_height()

    def _hold_height(self) -> None:
        """Keep the height of the tallest stack so far, so that the panels below do not jump with each capture."""
        if not any(each.outcome is None for each in self._attempts):
            self._tallest = 0
        else:
            self._tallest = max(self._tallest, self.virtual_size.height + self.gutter.height)
        if self.styles.min_height != (wanted := Scalar.from_number(self._tallest)):
            self.styles.min_height = wanted

    @property
    def chosen(self) -> Attempt | None:
        """The selected attempt."""
        newest_first = self._attempts[::-1]
        return newest_first[self._chosen] if self._chosen < len(newest_first) else None

    @property
    def unfolds(self) -> bool:
        """Whether the selected attempt has anything to unfold."""
        attempt = self.chosen
        if attempt is None:
            return False
        return bool(attempt.traceback or (attempt.outcome is None and self._stack is not None and self._stack.calls))

    def _rebuild(self) -> None:
        self._heads = []
        lines: list[StyledLine] = []
        for at, attempt in enumerate(reversed(self._attempts[-SHOWN:])):
            if lines:
                lines.append([])
            self._heads.append(len(lines))
            lines += self._attempt_lines(attempt, chosen=at == self._chosen and len(self._attempts) > 1)
        more = len(self._attempts) - SHOWN
        if more > 0:
            lines += [[], [(" ", ""), *style_commands(f"and {more:,} earlier attempts; `jobdeck show` lists all", "quiet")]]
        self.show(lines or [[(" not started yet", "quiet")]])
        of = f"{self._chosen + 1} of {len(self._attempts):,}" if len(self._attempts) > 1 else f"{len(self._attempts)}"
        self.set_title(of)
        if self.unfolds != self._could_unfold:
            self._could_unfold = self.unfolds
            self.refresh_bindings()  # dims or restores its hint

    def _attempt_lines(self, attempt: Attempt, *, chosen: bool) -> Iterator[StyledLine]:
        end = attempt.finished_at if attempt.finished_at is not None else self._now
        outcome = attempt.outcome.value if attempt.outcome is not None else "running"
        spent = "took" if attempt.finished_at is not None else "for"
        state = State(OUTCOME_STATES[attempt.outcome]) if attempt.outcome is not None else State.RUNNING
        yield [
            _CURSORS[chosen][0],
            (f"{GLYPHS[state]} ", state.value),
            (f"attempt {attempt.number}  ", "accent" if chosen else "strong"),
            (outcome, state.value),
            (
                f"  {format_clock_time(attempt.started_at, self._now)}  {spent} {duration(max(0.0, end - attempt.started_at))}",
                "quiet",
            ),
            (f"  by {safe(attempt.worker)}", "quiet"),
        ]
        for (text, meaning), *rest in self._details(attempt):
            yield [(" " + text, meaning), *rest]  # below the text of its heading, not below its glyph

    def _details(self, attempt: Attempt) -> Iterator[StyledLine]:
        """Yield the error and traceback of an attempt, or its stack."""
        if attempt.late_at is not None:
            yield [("  its worker reported a result too late; it was discarded", "warning")]
        if attempt.error_type or attempt.message:
            error = ": ".join(part for part in (attempt.error_type, attempt.message) if part)
            yield from ([("  " + part, "error")] for part in cut(error).split("\n")[:_ERROR_LINES])
        if attempt.traceback:
            traceback = self._read.get(attempt.started_at)
            if traceback is None:
                traceback = self._read[attempt.started_at] = parse_traceback(attempt.traceback)
            yield from (unfold if attempt.started_at in self._unfolded else fold)(traceback)
        elif attempt.outcome is None and self._stack is not None:
            yield from self._stack_lines(self._stack, unfolded=attempt.started_at in self._unfolded)

    def _stack_lines(self, stack: Stack, *, unfolded: bool) -> Iterator[StyledLine]:
        """Yield the lines of a stack."""
        if stack.reason:
            yield [("  stack  ", "strong"), *style_commands(cut(stack.reason), "quiet")]
            return
        heading, _, calls = stack.text.partition("\n")
        apart = not stack.worker.rpartition(":")[0].endswith(f":{stack.pid}")
        notes = [f"in child process {stack.pid}"] * apart + [heading.partition("(")[2].rstrip("):")] * unfolded
        yield [("  stack", "strong"), ("  " + ", ".join(notes) if notes else "", "quiet")]
        traceback = parse_traceback(calls)
        yield from unfold(traceback) if unfolded else fold(traceback, happened="now")

    def styled_line(self, at: int) -> tuple[StyledLine, int | None]:
        return self.lines[at], _HEAD if self.lines[at][:1] in _CURSORS else None

    def choose(self, by: int) -> None:
        """Select the next or previous attempt and scroll it into view."""
        at = max(0, min(len(self._heads) - 1, self._chosen + by))
        self._chosen = at
        self._rebuild()
        if self._heads:
            self.scroll_to(y=self.row_of(self._heads[at]), animate=False, force=True, immediate=True)

    def action_unfold(self) -> None:
        """Unfold or fold the selected attempt."""
        if (attempt := self.chosen) is not None:
            self._unfolded ^= {attempt.started_at}
            self._tallest = 0
            self._rebuild()
            self._hold_height()

    def on_click(self, event: Click) -> None:
        """Select an attempt with the mouse; a click on the selected one unfolds it."""
        clicked = self.index_at(round(self.scroll_offset.y) + event.y - self.gutter.top)
        at = next((place for place in reversed(range(len(self._heads))) if self._heads[place] <= clicked), None)
        if at is None:
            return
        if at == self._chosen:
            self.action_unfold()
        else:
            self._chosen = at
            self._rebuild()
