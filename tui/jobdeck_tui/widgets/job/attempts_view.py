"""The attempts of a job, the newest first, each with its error and its traceback opened where it was raised.

The one that runs has its stack in the place of a traceback, opened where its code is.
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
from ..base.styled_text import Told, commands_told, cut
from ..base.text_view import LinesView
from ..base.tracebacks import Traceback, folded, read_traceback, unfolded
from ..details.job_details import OUTCOME_STATES, clock_time

SHOWN = 100
"""Attempts that are told in full, the newest."""


_ERROR_LINES = 500
"""Lines of one error's message."""

_CURSORS: tuple[Told, Told] = ([(" ", "accent")], [("❯", "accent")])
"""What the head of an attempt begins with: of one that is not chosen, and of the one that is."""
_HEAD = 2
"""Pieces of that line below which it does not go on: the cursor and the glyph."""


class AttemptsView(LinesView):
    """One attempt is chosen; its traceback can be unfolded."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "unfold", "unfold", tooltip="Show the whole traceback or stack of the chosen attempt, or fold it"),
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
        """Show these, oldest first as they were read, and the stack of the one that runs."""
        if attempts == self._attempts and not any(each.outcome is None for each in attempts) and self.told:
            return
        if len(attempts) != len(self._attempts) or attempts[:1] != self._attempts[:1]:
            self._chosen = 0
        self._attempts, self._now, self._stack = attempts, now, stack
        self._tell()
        self._hold_height()

    def on_resize(self, event: Resize) -> None:
        super().on_resize(event)
        self._tallest = 0
        self._hold_height()

    def _hold_height(self) -> None:
        """Stay as tall as the stack has made it: what is below shall not go up and down with each look at it."""
        if not any(each.outcome is None for each in self._attempts):
            self._tallest = 0
        else:
            self._tallest = max(self._tallest, self.virtual_size.height + self.gutter.height)
        if self.styles.min_height != (wanted := Scalar.from_number(self._tallest)):
            self.styles.min_height = wanted

    @property
    def chosen(self) -> Attempt | None:
        """The chosen attempt."""
        newest_first = self._attempts[::-1]
        return newest_first[self._chosen] if self._chosen < len(newest_first) else None

    @property
    def unfolds(self) -> bool:
        """Whether there is anything of the chosen attempt to unfold."""
        attempt = self.chosen
        if attempt is None:
            return False
        return bool(attempt.traceback or (attempt.outcome is None and self._stack is not None and self._stack.calls))

    def _tell(self) -> None:
        self._heads = []
        lines: list[Told] = []
        for at, attempt in enumerate(reversed(self._attempts[-SHOWN:])):
            if lines:
                lines.append([])
            self._heads.append(len(lines))
            lines += self._told(attempt, chosen=at == self._chosen and len(self._attempts) > 1)
        more = len(self._attempts) - SHOWN
        if more > 0:
            lines += [[], [(" ", ""), *commands_told(f"and {more:,} earlier attempts: `jobdeck show` tells them all", "quiet")]]
        self.show(lines or [[(" it has not been started yet", "quiet")]])
        of = f"{self._chosen + 1} of {len(self._attempts):,}" if len(self._attempts) > 1 else f"{len(self._attempts)}"
        self.titled(of)
        if self.unfolds != self._could_unfold:
            self._could_unfold = self.unfolds
            self.refresh_bindings()  # its hint is dimmed, or no more

    def _told(self, attempt: Attempt, *, chosen: bool) -> Iterator[Told]:
        end = attempt.finished_at if attempt.finished_at is not None else self._now
        outcome = attempt.outcome.value if attempt.outcome is not None else "running"
        spent = "took" if attempt.finished_at is not None else "for"
        state = State(OUTCOME_STATES[attempt.outcome]) if attempt.outcome is not None else State.RUNNING
        yield [
            _CURSORS[chosen][0],
            (f"{GLYPHS[state]} ", state.value),
            (f"attempt {attempt.number}  ", "accent" if chosen else "strong"),
            (outcome, state.value),
            (f"  {clock_time(attempt.started_at, self._now)}  {spent} {duration(max(0.0, end - attempt.started_at))}", "quiet"),
            (f"  by {safe(attempt.worker)}", "quiet"),
        ]
        for (text, meaning), *rest in self._more_of(attempt):
            yield [(" " + text, meaning), *rest]  # below the words of its head, not below its glyph

    def _more_of(self, attempt: Attempt) -> Iterator[Told]:
        """Its error and its traceback, or its stack."""
        if attempt.late_at is not None:
            yield [("  its worker came back late, and changed nothing", "warning")]
        if attempt.error_type or attempt.message:
            error = ": ".join(part for part in (attempt.error_type, attempt.message) if part)
            yield from ([("  " + part, "error")] for part in cut(error).split("\n")[:_ERROR_LINES])
        if attempt.traceback:
            traceback = self._read.get(attempt.started_at)
            if traceback is None:
                traceback = self._read[attempt.started_at] = read_traceback(attempt.traceback)
            yield from (unfolded if attempt.started_at in self._unfolded else folded)(traceback)
        elif attempt.outcome is None and self._stack is not None:
            yield from self._stack_told(self._stack, unfold=attempt.started_at in self._unfolded)

    def _stack_told(self, stack: Stack, *, unfold: bool) -> Iterator[Told]:
        """Where the code is now."""
        if stack.told:
            yield [("  stack  ", "strong"), *commands_told(cut(stack.told), "quiet")]
            return
        heading, _, calls = stack.text.partition("\n")
        apart = not stack.worker.rpartition(":")[0].endswith(f":{stack.pid}")
        told = [f"in child process {stack.pid}"] * apart + [heading.partition("(")[2].rstrip("):")] * unfold
        yield [("  stack", "strong"), ("  " + ", ".join(told) if told else "", "quiet")]
        traceback = read_traceback(calls)
        yield from unfolded(traceback) if unfold else folded(traceback, happened="now")

    def dressed(self, at: int) -> tuple[Told, int | None]:
        return self.told[at], _HEAD if self.told[at][:1] in _CURSORS else None

    def choose(self, by: int) -> None:
        """Go to the next attempt, or the one before, and bring it onto the screen."""
        at = max(0, min(len(self._heads) - 1, self._chosen + by))
        self._chosen = at
        self._tell()
        if self._heads:
            self.scroll_to(y=self.row_of(self._heads[at]), animate=False, force=True, immediate=True)

    def action_unfold(self) -> None:
        """Unfold the chosen one, or fold it."""
        if (attempt := self.chosen) is not None:
            self._unfolded ^= {attempt.started_at}
            self._tallest = 0
            self._tell()
            self._hold_height()

    def on_click(self, event: Click) -> None:
        """Choose with the mouse; a click on the chosen one unfolds it."""
        told = self.told_at(round(self.scroll_offset.y) + event.y - self.gutter.top)
        at = next((place for place in reversed(range(len(self._heads))) if self._heads[place] <= told), None)
        if at is None:
            return
        if at == self._chosen:
            self.action_unfold()
        else:
            self._chosen = at
            self._tell()
