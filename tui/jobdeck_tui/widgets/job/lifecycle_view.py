"""The lifecycle panel of a job: its steps with bars, why it does not run, and its facts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.cells import cell_len
from textual.events import Resize

from jobdeck import Explanation

from ...feed.messages import Detail
from ...text.format import duration
from ...text.sanitize import safe
from ..base.styled_text import StyledLine, style_commands
from ..base.text_view import TextView, wrap
from ..details import job_details
from ..details.job_details import format_clock_time
from .lifecycle import Step, lifecycle_steps

_CLOCK = 9
"""The width of the time of day and a blank, in cells."""
_SIGN = 4
_SPENT = 7
_BARS = (6, 48)
"""The minimum and maximum width of the longest bar; draws no bars if the minimum does not fit."""
_ERROR_LINES = 3


class LifecycleView(TextView):
    """Rebuilds its lines for each width."""

    def __init__(self, title: str, digit: str, *, id: str | None = None) -> None:
        super().__init__(title, digit, id=id)
        self._detail: Detail | None = None

    def show_lifecycle(self, detail: Detail) -> None:
        """Show the lifecycle of this job."""
        self._detail = detail
        self._rebuild()

    def on_resize(self, event: Resize) -> None:
        self._rebuild()
        super().on_resize(event)

    def _rebuild(self) -> None:
        width = self.scrollable_content_region.width
        if self._detail is None or self._detail.job is None or width < 20:
            return
        detail, job = self._detail, self._detail.job
        lines: list[StyledLine] = [*draw_steps(lifecycle_steps(detail), width, detail.at)]
        if detail.why is not None:
            lines += [[], *_why(detail.why)]
        lines += [[], [("facts", "strong")], [("kind".ljust(10), "quiet"), (safe(job.kind), "")]]
        lines += job_details.job_facts(job, detail.at, detail.effective_priority)
        self.show(lines)


def draw_steps(steps: Sequence[Step], width: int, now: float) -> Iterator[StyledLine]:
    """Yield the steps as lines, with bars as long as their durations."""
    spans = [step.seconds for step in steps if step.seconds is not None]
    longest = max(spans, default=0.0)
    names = max((cell_len(step.text) for step in steps if step.seconds is not None), default=0)
    room = min(width - _CLOCK - _SIGN - names - _SPENT - 3, _BARS[1])
    day = _day(now)
    for step in steps:
        if step.at is not None and (today := _day(step.at)) != day:
            day = today
            yield [(today, "quiet")]
        clock = "" if step.at is None else format_clock_time(step.at)
        head: StyledLine = [(clock[:8].ljust(_CLOCK), "quiet"), (step.sign.ljust(_SIGN), step.sign_meaning)]
        if step.seconds is None:
            yield [*head, (step.text, step.meaning)]
        else:
            pieces: StyledLine = [*head, (step.text + " " * (names - cell_len(step.text)), step.meaning)]
            pieces.append((duration(step.seconds).rjust(_SPENT + 1), ""))
            if room >= _BARS[0]:
                pieces.append(("  " + _bar(step, longest, room), step.bar_meaning))
            yield pieces
        if step.below:
            yield from _below(step.below, width)


def _below(text: str, width: int) -> Iterator[StyledLine]:
    """Yield the lines of an error below its attempt, beside the trunk."""
    indent = _CLOCK + _SIGN
    rows = wrap([(text, "error")], max(10, width - indent))
    for row in rows[:_ERROR_LINES]:
        yield [(" " * _CLOCK, ""), ("│".ljust(_SIGN), "line"), *row]
    if len(rows) > _ERROR_LINES:
        yield [(" " * _CLOCK, ""), ("│".ljust(_SIGN), "line"), ("… see the attempt", "quiet")]


def _bar(step: Step, longest: float, room: int) -> str:
    """Return the bar of a step relative to the longest; full blocks end in eighths of a cell."""
    assert step.seconds is not None
    cells = room * step.seconds / longest if longest else 0.0
    if step.bar != "█":
        return step.bar * max(1, round(cells))
    whole, eighths = int(cells), int(cells % 1 * 8)
    return "█" * whole + (" ▏▎▍▌▋▊▉"[eighths].strip() if whole or eighths else "▏")


def _why(why: Explanation) -> Iterator[StyledLine]:
    """Yield why the job does not run: the answer, and what blocks it."""
    yield [("why it is not running", "strong")]
    if not why.blockers:
        yield [(safe(why.summary), "")]
    for check in why.blockers:  # the summary above the panels repeats the first one
        yield [("✗ ", "error"), (safe(check.message), "")]
        if check.advice:
            yield [("  ", ""), *style_commands(safe(check.advice), "quiet")]
    if why.starts_in is not None:
        when = "now" if why.starts_in == 0 else f"in about {duration(why.starts_in)}"
        yield [(f"starts {when}", "accent"), (f"  {safe(why.estimate_basis)}", "quiet")]


def _day(at: float) -> str:
    try:
        return datetime.fromtimestamp(at).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):  # beyond the year 9999
        return "out of range"
