"""The panel of a job's life: the timeline with its bars, why it does not run, and its facts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.cells import cell_len
from textual.events import Resize

from jobdeck import Explanation

from ...feed.messages import Detail
from ...text.format import duration
from ...text.sanitize import safe
from ..base.styled_text import Told, commands_told
from ..base.text_view import LinesView, wrap
from ..details import job_details as telling
from ..details.job_details import clock_time
from .lifecycle import Step, life_of

_CLOCK = 9
"""Cells of the time of day and a blank."""
_SIGN = 4
_SPENT = 7
_BARS = (6, 48)
"""Cells that the longest bar takes, at least and at most; where there is no room for the least, there are none."""
_ERROR_LINES = 3


class LifeView(LinesView):
    """Draws itself anew for each width."""

    def __init__(self, title: str, digit: str, *, id: str | None = None) -> None:
        super().__init__(title, digit, id=id)
        self._detail: Detail | None = None

    def show_life(self, detail: Detail) -> None:
        """Show the life of this job."""
        self._detail = detail
        self._tell()

    def on_resize(self, event: Resize) -> None:
        self._tell()
        super().on_resize(event)

    def _tell(self) -> None:
        width = self.scrollable_content_region.width
        if self._detail is None or self._detail.job is None or width < 20:
            return
        detail, job = self._detail, self._detail.job
        lines: list[Told] = [*drawn(life_of(detail), width, detail.at)]
        if detail.why is not None:
            lines += [[], *_why(detail.why)]
        lines += [[], [("facts", "strong")], [("kind".ljust(10), "quiet"), (safe(job.kind), "")]]
        lines += telling.life(job, detail.at, detail.aged)
        self.show(lines)


def drawn(steps: Sequence[Step], width: int, now: float) -> Iterator[Told]:
    """The steps as lines, their durations as bars that are as long as they lasted, next to one another."""
    spans = [step.seconds for step in steps if step.seconds is not None]
    longest = max(spans, default=0.0)
    names = max((cell_len(step.text) for step in steps if step.seconds is not None), default=0)
    room = min(width - _CLOCK - _SIGN - names - _SPENT - 3, _BARS[1])
    day = _day(now)
    for step in steps:
        if step.at is not None and (today := _day(step.at)) != day:
            day = today
            yield [(today, "quiet")]
        clock = "" if step.at is None else clock_time(step.at)
        head: Told = [(clock[:8].ljust(_CLOCK), "quiet"), (step.sign.ljust(_SIGN), step.sign_meaning)]
        if step.seconds is None:
            yield [*head, (step.text, step.meaning)]
        else:
            pieces: Told = [*head, (step.text + " " * (names - cell_len(step.text)), step.meaning)]
            pieces.append((duration(step.seconds).rjust(_SPENT + 1), ""))
            if room >= _BARS[0]:
                pieces.append(("  " + _bar(step, longest, room), step.bar_meaning))
            yield pieces
        if step.below:
            yield from _below(step.below, width)


def _below(text: str, width: int) -> Iterator[Told]:
    """An error below its attempt, beside the trunk, which goes on."""
    indent = _CLOCK + _SIGN
    rows = wrap([(text, "error")], max(10, width - indent))
    for row in rows[:_ERROR_LINES]:
        yield [(" " * _CLOCK, ""), ("│".ljust(_SIGN), "line"), *row]
    if len(rows) > _ERROR_LINES:
        yield [(" " * _CLOCK, ""), ("│".ljust(_SIGN), "line"), ("… see its attempt", "quiet")]


def _bar(step: Step, longest: float, room: int) -> str:
    """As long as its share of the longest; with eighths of a cell where it is a full block."""
    assert step.seconds is not None
    cells = room * step.seconds / longest if longest else 0.0
    if step.bar != "█":
        return step.bar * max(1, round(cells))
    whole, eighths = int(cells), int(cells % 1 * 8)
    return "█" * whole + (" ▏▎▍▌▋▊▉"[eighths].strip() if whole or eighths else "▏")


def _why(why: Explanation) -> Iterator[Told]:
    """Why it does not run: the answer, and what stands in its way."""
    yield [("why it is not running", "strong")]
    if not why.blockers:
        yield [(safe(why.summary), "")]
    for check in why.blockers:  # the summary, which stands above all panels, says the first of them once more
        yield [("✗ ", "error"), (safe(check.sentence), "")]
        if check.advice:
            yield [("  ", ""), *commands_told(safe(check.advice), "quiet")]
    if why.starts_in is not None:
        when = "now" if why.starts_in == 0 else f"in about {duration(why.starts_in)}"
        yield [(f"starts {when}", "accent"), (f"  {safe(why.basis)}", "quiet")]


def _day(at: float) -> str:
    try:
        return datetime.fromtimestamp(at).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):  # beyond the year 9999
        return "in another age"
