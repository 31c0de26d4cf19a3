"""The first lines of the job screen: state, id and kind; then the error, the progress, or why the job waits."""

from __future__ import annotations

from collections.abc import Sequence

from jobdeck import Job, Outcome, State

from ...feed.messages import Detail
from ...text.format import GLYPHS, duration, newest_error, span, state_and_reason
from ...text.progress import format_message
from ...text.sanitize import clip, safe, width
from ..base.panel import LineWidget
from ..base.strips import Piece, width_of
from ..base.styled_text import cut

_BAR, _SHORT_BAR = 24, 10
"""The width of a progress bar in cells, and beside a message on a narrow screen."""
_WIDE = 110
_MESSAGE, _MESSAGE_NEEDS = 24, 6
"""The cells kept free for a message of the handler, and the fewest that it is shown in."""


class JobTitle(LineWidget):
    """Two lines about the job."""

    def __init__(self, job_id: int) -> None:
        super().__init__(id="job-title")
        self._job_id = job_id
        self._detail: Detail | None = None
        self._missing = False
        self.readonly = False
        """Whether keys that change the job have no effect; they are not hinted then."""

    def switch_to(self, job_id: int) -> None:
        """Show another job, whose details are not known yet."""
        self._job_id, self._detail, self._missing = job_id, None, False
        self.refresh()

    def show(self, detail: Detail) -> None:
        """Show this job; of a missing one, its last known state."""
        self._missing = detail.job is None
        if not self._missing or self._detail is None:
            self._detail = detail
        self.refresh()

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        quiet, strong = self.style("quiet"), self.style("strong")
        job = self._detail.job if self._detail is not None else None
        if y == 1 and self._missing:
            return [(" This job was deleted or pruned" + self._hint("z restores a job you deleted"), self.style("warning"))]
        if self._detail is None or job is None:
            return [(f" job {self._job_id}", strong)] if y == 0 else []
        if y == 1:
            return self._second_line(job, self._detail)
        meaning = quiet if self._missing else self.state_style(job.state)
        left: list[Piece] = [
            (f" {GLYPHS[job.state]} {state_and_reason(job, self._detail.dependencies.parents)}", meaning),
            (f"  {job.id}", quiet),
            (f"  {safe(job.kind)}", strong),
        ]
        if self.readonly:
            left.append(("  read-only", self.style("warning")))
        attempt = f"attempt {job.attempt}/{job.max_attempts} "
        for text in (f"{safe(job.queue)} · priority {job.priority} · {attempt}", attempt):
            right: list[Piece] = [(text, quiet)]
            blanks = width - width_of(left) - width_of(right)
            if blanks > 1:
                return [*left, (" " * blanks, quiet), *right]
        return left

    def _second_line(self, job: Job, detail: Detail) -> Sequence[Piece]:
        quiet = self.style("quiet")
        if job.state is State.RUNNING:
            bar = self._progress(job)
            said = format_message(job) if bar else ""
            room = self.size.width - width_of(bar) - (min(_MESSAGE, width(said)) + 2 if said else 0)
            text = self._describe_run(job, detail.at, room)
            if said:
                room = self.size.width - width_of(bar) - len(text) - 2
                bar = [*bar, (f" {clip(said, room)} ", self.style("strong")), ("·", quiet)] if room >= _MESSAGE_NEEDS else bar
            return [*bar, (text, quiet)]
        if error := newest_error(job):
            return [(" " + cut(error, 400, multiline=False), self.style("error"))]
        if detail.why is not None:
            summary = detail.why.summary.removeprefix(f"Job {job.id} ")
            return [(" " + cut(summary, 400, multiline=False), quiet)]
        if not job.state.is_final:
            return []
        took = ""
        if job.state is State.COMPLETED and job.started_at is not None and job.finished_at is not None:
            took = f"done in {duration(max(0.0, job.finished_at - job.started_at))}"
        if job.state is State.CANCELLED:
            took = _how_cancelled(job, detail)
        return [(f" {took}{self._hint('r retries it')}" if took else self._hint("r retries it").removeprefix(" ·"), quiet)]

    def _hint(self, text: str) -> str:
        return "" if self.readonly else f" · {text}"

    def _progress(self, job: Job) -> Sequence[Piece]:
        if job.progress is None:
            return []
        cells = _BAR if self.size.width >= _WIDE or not job.progress_message else _SHORT_BAR
        done = round(job.progress * cells)
        return [
            (" " + "━" * done, self.style("accent")),
            ("━" * (cells - done), self.style("line")),
            (f" {job.progress:.0%} ", self.style("strong")),
        ]

    def _describe_run(self, job: Job, now: float, room: int) -> str:
        if job.cancelling:
            return " cancelling: its code has not stopped yet"
        remaining = job.time_left(now)
        parts = {
            "spent": f" running for {duration(max(0.0, now - (job.started_at or now)))}",
            "most": f" of at most {span(job.timeout)}" if job.timeout else "",
            "left": "" if remaining is None else f" · about {duration(remaining)} left",
            "key": self._hint("x cancels it"),
        }
        kept = ["spent"]
        for name in ("left", "most", "key"):
            if sum(len(parts[each]) for each in (*kept, name)) <= room:
                kept.append(name)
        return "".join(part for name, part in parts.items() if name in kept)


def _how_cancelled(job: Job, detail: Detail) -> str:
    """Return who cancelled a job, and in which attempt it ran; empty if neither is known."""
    by = next((each.actor for each in reversed(detail.journal_entries) if each.operation == "cancel" and not each.undone), None)
    newest = detail.attempts[-1] if detail.attempts else None
    during = newest is not None and newest.outcome is Outcome.CANCELLED
    words = ["cancelled", f"by {safe(by)}" if by else "", f"during attempt {job.attempt}" if during else ""]
    return " ".join(filter(None, words)) if by or during else ""
