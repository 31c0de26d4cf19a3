"""The life of a job as steps: how long it waited, ran and backed off, what people did, and what comes next. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jobdeck import Act, Attempt, Job, Outcome, State

from ...feed.messages import Detail
from ...text.format import GLYPHS, duration, state_and_reason
from ...text.sanitize import safe
from ..base.styled_text import cut
from ..details.job_details import OUTCOME_STATES

ATTEMPTS = 40
"""Attempts that are told one by one: the first, and the newest of the others."""
_TICK = 0.0005
"""Seconds: a wait shorter than this is none."""

_ERROR = 300
"""Characters of an error that are told here; the attempt tells it all."""

_ACTED = {
    "cancel": "cancelled it",
    "retry": "retried it",
    "reprioritise": "changed its priority",
    "edit": "edited it",
    "delete": "deleted it",
}
_AFTER = {
    Outcome.FAILED: "back-off",
    Outcome.TIMED_OUT: "back-off",
    Outcome.CRASHED: "lost with its worker",
    Outcome.SNOOZED: "snoozed",
    Outcome.RELEASED: "given back",
}
"""Outcome → what the time after it is called, until the next attempt is due."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the timeline."""

    sign: str
    """Drawn in the trunk: it branches where an attempt begins."""
    text: str
    sign_meaning: str = "line"
    meaning: str = ""
    at: float | None = None
    """When it was; `None` for what lasts."""
    seconds: float | None = None
    """How long it took; it gets a bar."""
    bar: str = "─"
    bar_meaning: str = "quiet"
    below: str = ""
    """Told below it: an error."""


def life_of(detail: Detail) -> list[Step]:
    """Everything that happened to the job so far, oldest first, and what comes next."""
    assert detail.job is not None
    return [*_Life(detail, detail.job).steps()]


class _Life:
    """Goes through the happenings, and tells the time between them."""

    def __init__(self, detail: Detail, job: Job) -> None:
        self._detail, self._job, self._now = detail, job, detail.at
        self._at = job.created_at
        self._waits = "waited for others" if detail.family.parents else "waited"
        """What the time from here on is called; empty while the job is final."""

    def steps(self) -> Iterator[Step]:
        job, attempts = self._job, self._detail.attempts
        yield Step("●", "enqueued", "quiet", "strong", at=job.created_at)
        newest = attempts[-1] if attempts else None
        happened: list[Attempt | Act] = sorted([*attempts, *self._detail.acts], key=_begin_of)
        left_out = len(attempts) - ATTEMPTS
        told = 0
        for each in happened:
            if isinstance(each, Act):
                if told == 0 or told > left_out:
                    if each.operation == "retry" and not each.undone and self._waits == "back-off":
                        self._waits = "at rest"  # its last attempt, or a back-off cut short: nobody can tell by now
                    yield from self._between(each.at, None)
                    yield self._act(each)
                continue
            told += 1
            if left_out > 0 and 1 < told <= left_out + 1:
                if told == 2:
                    yield Step("┊", f"{left_out:,} attempts more", meaning="quiet")
                self._end(each)
                continue
            yield from self._between(each.started_at, job.scheduled_at if each is newest else None)
            yield self._attempt(each)
            self._end(each)
        yield from self._last()

    def _end(self, attempt: Attempt) -> None:
        self._at = attempt.finished_at if attempt.finished_at is not None else self._now
        self._waits = _AFTER.get(attempt.outcome, "") if attempt.outcome is not None else ""

    def _between(self, until: float, due: float | None) -> Iterator[Step]:
        """What lasted from the last happening to this one: the time until it was due, and the wait for a thread."""
        if self._waits:
            ready = self._at if due is None else min(max(due, self._at), until)
            first = self._waits if self._waits != "waited" or due is None else "not yet due"
            if due is None and self._waits != "waited":
                ready = until
            yield from self._span(first, ready - self._at)
            yield from self._span("waited", until - ready)
        self._at = max(self._at, until)

    def _span(self, name: str, seconds: float) -> Iterator[Step]:
        if seconds > _TICK:
            back_off = name == "back-off"
            yield Step(
                "│", name, meaning="quiet", seconds=seconds,
                bar="╌" if back_off else "─", bar_meaning="warning" if back_off else "quiet",
            )  # fmt: skip

    def _act(self, act: Act) -> Step:
        others = f", with {act.n - 1:,} other{'s' * (act.n != 2)}" if act.n > 1 else ""
        undone = f", and undone by {safe(act.undone_by or 'somebody')}" if act.undone else ""
        if not act.undone:
            self._waits = {"cancel": "", "retry": "waited"}.get(act.operation, self._waits)
        return Step("◆", f"{safe(act.who)} {_ACTED.get(act.operation, act.operation)}{others}{undone}", "later", at=act.at)

    def _attempt(self, attempt: Attempt) -> Step:
        state = State(OUTCOME_STATES[attempt.outcome]) if attempt.outcome is not None else State.RUNNING
        word = attempt.outcome.value if attempt.outcome is not None else "cancelling" if self._job.cancelling else "running"
        end = attempt.finished_at if attempt.finished_at is not None else self._now
        message = (attempt.message or "")[:_ERROR].partition("\n")[0]
        error = ": ".join(part for part in (attempt.error_type, message) if part)
        return Step(
            f"├─{GLYPHS[state]}",
            f"attempt {attempt.number} {word}",
            state.value,
            state.value,
            at=attempt.started_at,
            seconds=max(0.0, end - attempt.started_at),
            bar="█",
            bar_meaning=state.value,
            below=cut(error, _ERROR, multiline=False),
        )

    # -- where it is now, and what comes next ------------------------------------------------------

    def _last(self) -> Iterator[Step]:
        job, now = self._job, self._now
        glyph = GLYPHS[job.state]
        if job.state.is_final:
            yield Step(f"╰─{glyph}", state_and_reason(job), job.state.value, job.state.value, at=job.finished_at)
            return
        if job.state is State.RUNNING:
            yield Step("╎", _running(job, now), meaning="quiet")
            return
        left = job.scheduled_at - now
        if job.state is State.PENDING:
            yield from self._between(now, job.scheduled_at)
        else:
            yield from self._span(self._waits or "waited", now - self._at)
        if job.state in (State.SCHEDULED, State.RETRYING) and left > 0:
            yield Step("╎", "due in", meaning="quiet", seconds=left, bar="┄", bar_meaning="later")
        nth = f"attempt {job.attempt + 1} of {job.max_attempts}"
        yield Step(f"╰╌{glyph}", f"{nth} {self._when(left)}", job.state.value, "", at=None)

    def _when(self, left: float) -> str:
        """When the next attempt begins, as far as anybody knows."""
        job, why = self._job, self._detail.why
        if job.state is State.WAITING:
            return f"follows when {_jobs_named(self._detail.family.waits_for)} completed"
        if job.state in (State.SCHEDULED, State.RETRYING):
            return "comes next" if left > 0 else "is due"
        if why is None or why.starts_in is None:
            return "comes next"
        return "starts now" if why.starts_in == 0 else f"starts in about {duration(why.starts_in)}"


def _begin_of(happened: Attempt | Act) -> float:
    return happened.at if isinstance(happened, Act) else happened.started_at


def _running(job: Job, now: float) -> str:
    if job.cancelling:
        return "asked to stop; its code has not stopped yet"
    if job.timeout and job.started_at is not None:
        left = job.started_at + job.timeout - now
        return f"may run for another {duration(left)}" if left > 0 else "has used up its time"
    return "runs, as long as it needs"


def _jobs_named(ids: tuple[int, ...], most: int = 4) -> str:
    """`job 3 has`, `jobs 3, 4 have`, `jobs 3, 4 and 10 others have`."""
    named, rest = ids[:most], len(ids) - most
    others = f" and {rest:,} other{'s' * (rest > 1)}" if rest > 0 else ""
    return f"job{'s' * (len(ids) != 1)} {', '.join(map(str, named))}{others} {'has' if len(ids) == 1 else 'have'}"
