"""The lifecycle of a job as steps: its waits, attempts and back-offs, user operations, and what comes next. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from jobdeck import Attempt, Job, JournalEntry, Outcome, State, record

from ...feed.messages import Detail
from ...text.format import GLYPHS, duration, state_and_reason
from ...text.sanitize import safe
from ..base.styled_text import cut
from ..details.job_details import OUTCOME_STATES

ATTEMPTS = 40
"""The maximum number of attempts shown one by one: the first, and the newest of the others."""
_TICK = 0.0005
"""The shortest wait shown, in seconds."""

_ERROR = 300
"""The maximum number of characters of an error shown here; its attempt shows all of it."""

_OPERATIONS = {
    "cancel": "cancelled it",
    "retry": "retried it",
    "reprioritize": "changed its priority",
    "edit": "edited it",
    "delete": "deleted it",
}
_AFTER = {
    Outcome.FAILED: "back-off",
    Outcome.TIMED_OUT: "back-off",
    Outcome.CRASHED: "lost with its worker",
    Outcome.SNOOZED: "snoozed",
    Outcome.RELEASED: "released",
}
"""Outcome → name of the time between the attempt and the next one."""


@record
class Step:
    """One line of the timeline."""

    sign: str
    """The character drawn in the trunk, which branches at each attempt."""
    text: str
    sign_meaning: str = "line"
    meaning: str = ""
    at: float | None = None
    """The time of an event; `None` for a period."""
    seconds: float | None = None
    """The duration, drawn as a bar."""
    bar: str = "─"
    bar_meaning: str = "quiet"
    below: str = ""
    """The text below the step: an error."""


def lifecycle_steps(detail: Detail) -> list[Step]:
    """Return everything that has happened to the job, oldest first, and what comes next."""
    assert detail.job is not None
    return [*_Life(detail, detail.job).steps()]


class _Life:
    """Builds the steps from attempts and operations, and the periods between them."""

    def __init__(self, detail: Detail, job: Job) -> None:
        self._detail, self._job, self._now = detail, job, detail.at
        self._at = job.created_at
        self._period = "waited for others" if detail.dependencies.parents else "waited"
        """The name of the current period; empty while the job is final."""

    def steps(self) -> Iterator[Step]:
        job, attempts = self._job, self._detail.attempts
        yield Step("●", "enqueued", "quiet", "strong", at=job.created_at)
        newest = attempts[-1] if attempts else None
        events: list[Attempt | JournalEntry] = sorted([*attempts, *self._detail.journal_entries], key=_start_of)
        left_out = len(attempts) - ATTEMPTS
        shown = 0
        for each in events:
            if isinstance(each, JournalEntry):
                if shown == 0 or shown > left_out:
                    if each.operation == "retry" and not each.undone and self._period == "back-off":
                        self._period = "idle"  # the last attempt or a back-off cut short: the history does not distinguish them
                    yield from self._between(each.at, None)
                    yield self._operation_step(each)
                continue
            shown += 1
            if left_out > 0 and 1 < shown <= left_out + 1:
                if shown == 2:
                    yield Step("┊", f"{left_out:,} more attempts", meaning="quiet")
                self._end_attempt(each)
                continue
            yield from self._between(each.started_at, job.scheduled_at if each is newest else None)
            yield self._attempt_step(each)
            self._end_attempt(each)
        yield from self._last()

    def _end_attempt(self, attempt: Attempt) -> None:
        self._at = attempt.finished_at if attempt.finished_at is not None else self._now
        self._period = _AFTER.get(attempt.outcome, "") if attempt.outcome is not None else ""

    def _between(self, until: float, due: float | None) -> Iterator[Step]:
        """Yield the periods from the last event to this one: the time until due, and the wait for a thread."""
        if self._period:
            ready = self._at if due is None else min(max(due, self._at), until)
            first = self._period if self._period != "waited" or due is None else "not yet due"
            if due is None and self._period != "waited":
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

    def _operation_step(self, entry: JournalEntry) -> Step:
        others = f", with {entry.n - 1:,} other{'s' * (entry.n != 2)}" if entry.n > 1 else ""
        undone = f", and undone by {safe(entry.undone_by or 'another user')}" if entry.undone else ""
        if not entry.undone:
            self._period = {"cancel": "", "retry": "waited"}.get(entry.operation, self._period)
        return Step(
            "◆",
            f"{safe(entry.actor)} {_OPERATIONS.get(entry.operation, entry.operation)}{others}{undone}",
            "later",
            at=entry.at,
        )

    def _attempt_step(self, attempt: Attempt) -> Step:
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

    # -- the current state, and what comes next ----------------------------------------------------

    def _last(self) -> Iterator[Step]:
        job, now = self._job, self._now
        glyph = GLYPHS[job.state]
        if job.state.is_final:
            text = state_and_reason(job, self._detail.dependencies.parents)
            yield Step(f"╰─{glyph}", text, job.state.value, job.state.value, at=job.finished_at)
            return
        if job.state is State.RUNNING:
            yield Step("╎", _describe_running(job, now), meaning="quiet")
            return
        remaining = job.scheduled_at - now
        if job.state is State.PENDING:
            yield from self._between(now, job.scheduled_at)
        else:
            yield from self._span(self._period or "waited", now - self._at)
        if job.state in (State.SCHEDULED, State.RETRYING) and remaining > 0:
            yield Step("╎", "due in", meaning="quiet", seconds=remaining, bar="┄", bar_meaning="later")
        nth = f"attempt {job.attempt + 1} of {job.max_attempts}"
        yield Step(f"╰╌{glyph}", f"{nth} {self._when_next(remaining)}", job.state.value, "", at=None)

    def _when_next(self, remaining: float) -> str:
        """Return when the next attempt starts, as far as known."""
        job, why = self._job, self._detail.why
        if job.state is State.WAITING:
            return f"starts when {_name_jobs(self._detail.dependencies.waits_for)} completed"
        if job.state in (State.SCHEDULED, State.RETRYING):
            return "comes next" if remaining > 0 else "is due"
        if why is None or why.starts_in is None:
            return "comes next"
        return "starts now" if why.starts_in == 0 else f"starts in about {duration(why.starts_in)}"


def _start_of(events: Attempt | JournalEntry) -> float:
    return events.at if isinstance(events, JournalEntry) else events.started_at


def _describe_running(job: Job, now: float) -> str:
    if job.cancelling:
        return "cancelling: its code has not stopped yet"
    if job.timeout and job.started_at is not None:
        remaining = job.started_at + job.timeout - now
        return f"may run for another {duration(remaining)}" if remaining > 0 else "has exceeded its timeout"
    return "running, without a timeout"


def _name_jobs(ids: tuple[int, ...], most: int = 4) -> str:
    """`job 3 has`, `jobs 3, 4 have`, `jobs 3, 4 and 10 others have`."""
    named, rest = ids[:most], len(ids) - most
    others = f" and {rest:,} other{'s' * (rest > 1)}" if rest > 0 else ""
    return f"job{'s' * (len(ids) != 1)} {', '.join(map(str, named))}{others} {'has' if len(ids) == 1 else 'have'}"
