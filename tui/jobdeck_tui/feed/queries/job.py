"""Follow one job in full: read again what has changed, in pieces of bounded size."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from dataclasses import replace

from jobdeck import (
    Attempt,
    Batch,
    BatchNotFound,
    Dependencies,
    Explanation,
    Job,
    JobNotFound,
    JournalEntry,
    LogLine,
    NotRunning,
    Queue,
    Stack,
    State,
)

from ...text.kind_history import KindHistory, read_history
from ...text.priority import aged_priority
from ..messages import Detail

LOG_LINES = 5000
LOG_CHARACTERS = 1 << 20
"""The newest log lines are kept, up to this many characters in total."""
MOST_TEXT = 50_000
"""The maximum number of characters shown of an error: its start and its end."""
RELATIVES = 100
"""The maximum number of parents, and of children, whose records are read."""
_PATIENCE = 20
"""A part that took t seconds to read is not read again for 20 t."""
_STACK_WITHIN = 0.25
"""Seconds that the process running the job gets to send its stack."""
_HISTORY_EVERY = 2.0
"""The least number of seconds between two reads of the history of its kind."""
_JOURNAL_EVERY = 5.0
"""Seconds after which the journal is read again even if the job has not changed."""


class JobFollower:
    """Follows one job. Reads on the feed's thread; the newest snapshot is taken on the event loop."""

    def __init__(self, job_id: int) -> None:
        self.job_id = job_id
        self._newest: deque[Detail] = deque(maxlen=1)
        self._logs: tuple[LogLine, ...] = ()
        self._log_cut = False
        self._job: Job | None = None
        self._entries: tuple[JournalEntry, ...] = ()
        self._journal_reread_at = 0.0
        self._why: Explanation | None = None
        self._why_reread_at = 0.0
        self._stack: Stack | None = None
        self._stack_reread_at = 0.0
        self.columns = 0
        """The width of the chart of its kind's history; 0 while that is not shown, and then it is not read."""
        self._history: KindHistory | None = None
        self._history_of: object = None
        self._history_reread_at = 0.0

    def poll(self, queue: Queue) -> None:
        """Read the current state of the job."""
        self._newest.append(self._read(queue))

    def follow(self) -> Detail | None:
        """Return the newest snapshot, if it has not been taken."""
        try:
            return self._newest.pop()
        except IndexError:
            return None

    def _read(self, queue: Queue) -> Detail:
        at = queue.clock.now()
        try:
            job = queue.get(self.job_id)
            if self._job is not None and (job.kind, job.created_at) != (self._job.kind, self._job.created_at):
                return Detail(at, None, self.job_id)  # another job with the same id, in another database
            dependencies = queue.dependencies(self.job_id)
            attempts = tuple(map(_bounded, queue.attempts(self.job_id))) if job.attempt or job.started_at else ()
            self._read_log(queue)
            self._read_journal(queue, job)
            self._read_why(queue, job)
            self._read_stack(queue, job)
            self._read_history(queue, job)
        except JobNotFound:
            return Detail(at, None, self.job_id)
        self._job = job
        return Detail(
            at,
            job,
            self.job_id,
            attempts,
            self._logs,
            dependencies,
            aged_priority(job, at, queue.settings.ageing),
            self._log_cut,
            self._why,
            self._entries,
            _relatives(queue, dependencies),
            _batch(queue, job),
            self._stack,
            self._history,
        )

    def _read_log(self, queue: Queue) -> None:
        news = queue.logs(self.job_id, after=self._logs[-1].id if self._logs else 0, limit=LOG_LINES)
        if not news:
            return
        lines = [*self._logs, *news]
        kept, remaining = 0, LOG_CHARACTERS
        for line in reversed(lines):
            remaining -= len(line.text)
            if (kept and remaining < 0) or kept == LOG_LINES:
                break
            kept += 1
        self._log_cut = self._log_cut or kept < len(lines) or len(news) == LOG_LINES
        self._logs = tuple(lines[-kept:])

    def _read_journal(self, queue: Queue, job: Job) -> None:
        now = time.monotonic()
        if now >= self._journal_reread_at or _fingerprint(job) != _fingerprint(self._job):
            self._entries = tuple(queue.journal.of_job(self.job_id))
            self._journal_reread_at = now + max(_JOURNAL_EVERY, _PATIENCE * (time.monotonic() - now))

    def _read_why(self, queue: Queue, job: Job) -> None:
        if not job.state.is_queued:
            self._why = None
            return
        now = time.monotonic()
        if self._why is None or now >= self._why_reread_at or _fingerprint(job) != _fingerprint(self._job):
            self._why = queue.explain(self.job_id)
            self._why_reread_at = now + _PATIENCE * (time.monotonic() - now)

    def _read_stack(self, queue: Queue, job: Job) -> None:
        """Read the stack; a process that answers slowly or not at all is asked less often."""
        if job.state is not State.RUNNING:
            self._stack = None
            return
        now = time.monotonic()
        if self._stack is None or now >= self._stack_reread_at or _fingerprint(job) != _fingerprint(self._job):
            try:
                self._stack = queue.stack(self.job_id, timeout=_STACK_WITHIN)
            except NotRunning:  # it has just finished
                self._stack = None
            self._stack_reread_at = now + _PATIENCE * (time.monotonic() - now)

    def _read_history(self, queue: Queue, job: Job) -> None:
        now = time.monotonic()
        of = (self.columns, job.state, job.attempt)
        if not self.columns:
            self._history = None
        elif self._history is None or now >= self._history_reread_at or of != self._history_of:
            self._history = read_history(queue, job, self.columns)
            self._history_reread_at = now + max(_HISTORY_EVERY, _PATIENCE * (time.monotonic() - now))
        self._history_of = of


def _fingerprint(job: Job | None) -> object:
    """Return the fields that an action may change."""
    return job and (
        *(job.state, job.cancelling, job.priority, job.queue, job.tags, job.max_attempts),
        *(job.scheduled_at, job.attempt, job.args_json),
    )


def _relatives(queue: Queue, dependencies: Dependencies) -> dict[int, Job]:
    ids = [*[*dependencies.parents][:RELATIVES], *[*dependencies.children][:RELATIVES]]
    return {job.id: job for job in queue.get_many(ids)} if ids else {}


def _batch(queue: Queue, job: Job) -> Batch | None:
    if job.batch is not None:
        with suppress(BatchNotFound):
            return queue.batches.get(job.batch)
    return None


def _bounded(attempt: Attempt) -> Attempt:
    """Return the attempt with its error truncated: a screen would take gigabytes to wrap a huge one."""
    message, traceback = (_cut(text, attempt.job_id) for text in (attempt.message, attempt.traceback))
    if message is attempt.message and traceback is attempt.traceback:
        return attempt
    return replace(attempt, message=message, traceback=traceback)


def _cut(text: str | None, job_id: int) -> str | None:
    if text is None or len(text) <= MOST_TEXT:
        return text
    half = MOST_TEXT // 2
    omitted = f"\n… {len(text) - 2 * half:,} characters omitted; `jobdeck show {job_id} --json` prints them …\n"
    return text[:half] + omitted + text[-half:]
