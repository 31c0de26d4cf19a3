"""Documents of jobs: their attempts, logs, dependencies, explanations and stacks, and the results of operations on several."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field

from ...execution.stack_trace import Stack
from ...model.diagnosis import Explanation
from ...model.environment import mask_arguments
from ...model.errors import InvalidPayload
from ...model.jobs import Attempt, Batch, Dependencies, Job
from ...model.kind_names import name_in_kind
from ...model.states import State
from .base import Document, Id, RefusalDocument, Time, by_state


class JobDocument(Document):
    """A job."""

    id: Id
    kind: str
    name: str | None = Field(description="The name of a command; null for other kinds.")
    args: Any = Field(
        description="The arguments by name; secrets in the environment of a command are masked. The stored text if unreadable.",
        examples=[{"order_id": 12}],
    )
    queue: str
    priority: int = Field(description="Larger runs first.")
    state: State
    cancelling: bool = Field(description="Whether it was asked to stop and its code still runs.")
    reason: str | None = Field(description="Why it failed, or was cancelled by the queue itself.")
    attempt: int = Field(description="Attempts started so far.")
    max_attempts: int
    crashes: int
    backoff: list[float] | None = Field(description="First step and maximum of its own backoff, in seconds.")
    created_at: Time
    scheduled_at: Time = Field(description="When it is due.")
    started_at: Time | None
    finished_at: Time | None
    took: float | None = Field(description="Seconds of its newest attempt.")
    worker: str | None
    lease_until: Time | None
    timeout: float | None
    expires_at: Time | None
    unique_key: str | None
    batch: int | None
    tags: list[str]
    progress: float | None = Field(description="From 0 to 1.")
    progress_message: str | None
    result: Any = Field(description="The return value of its code.")
    error: str | None = Field(description="Type and message of its newest error.")
    trace_id: str | None = Field(description="The id of the trace that it belongs to; null if it belongs to none.")
    traceparent: str | None = Field(description="The span that enqueued it, as W3C Trace Context writes it.")
    tracestate: str | None

    @classmethod
    def of(cls, job: Job, /, **members: Any) -> Self:
        """Return the document of a job."""
        try:
            args: Any = mask_arguments(job.kind, job.args)
        except InvalidPayload:
            args = job.args_json
        ended = job.started_at is not None and job.finished_at is not None
        return super().of(
            job,
            name=name_in_kind(job.kind),
            args=args,
            reason=None if job.reason is None else str(job.reason),
            backoff=None if job.backoff is None else list(job.backoff),
            took=_took(job.started_at, job.finished_at) if ended else None,
            tags=list(job.tags),
            **members,
        )


def _took(started_at: float | None, finished_at: float | None) -> float | None:
    return None if started_at is None or finished_at is None else round(max(0.0, finished_at - started_at), 6)


class JobPage(Document):
    """A page of jobs."""

    jobs: list[JobDocument]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


class AttemptDocument(Document):
    """One attempt of a job."""

    number: int
    worker: str
    started_at: Time
    finished_at: Time | None
    took: float | None
    outcome: str | None = Field(description="How it ended; null while it runs.")
    error_type: str | None
    message: str | None
    traceback: str | None = Field(description="The traceback of the job's own code.")
    late_at: Time | None = Field(description="When a late result of it was refused.")

    @classmethod
    def of(cls, attempt: Attempt, /, **members: Any) -> Self:
        """Return the document of an attempt."""
        return super().of(
            attempt,
            took=_took(attempt.started_at, attempt.finished_at),
            outcome=None if attempt.outcome is None else str(attempt.outcome),
            **members,
        )


class AttemptList(Document):
    """The attempts of a job, oldest first."""

    attempts: list[AttemptDocument]


class LogLineDocument(Document):
    """An entry of a job's log."""

    id: Id
    job_id: Id
    attempt: int
    at: Time
    level: str = Field(description="debug … critical; out and err for the output of a command.")
    text: str


class LogPage(Document):
    """Lines of a log, oldest first."""

    lines: list[LogLineDocument]


class ParentDocument(Document):
    """A job that another one came after."""

    id: Id
    state: State | None = Field(description="null if it was deleted or pruned.")


class ChildDocument(Document):
    """A job that came after another one."""

    id: Id
    state: State


class DependenciesDocument(Document):
    """The jobs that a job came after, and those that came after it."""

    parents: list[ParentDocument]
    waits_for: list[int]
    if_parent_fails: str
    children: list[ChildDocument]

    @classmethod
    def of(cls, found: Dependencies, /, **members: Any) -> Self:
        """Return the document of the dependencies of a job."""
        return super().of(
            found,
            parents=[ParentDocument(id=job_id, state=state) for job_id, state in found.parents.items()],
            waits_for=list(found.waits_for),
            if_parent_fails=str(found.if_parent_fails),
            children=[ChildDocument(id=job_id, state=state) for job_id, state in found.children.items()],
            **members,
        )


class CheckDocument(Document):
    """One condition of the claim."""

    name: str
    met: bool
    message: str
    advice: str
    until: Time | None


class ExplanationDocument(Document):
    """The explanation why a job is not running."""

    id: Id
    state: State
    at: Time
    summary: str
    checks: list[CheckDocument]
    ahead: int | None
    ahead_truncated: bool
    starts_in: float | None
    estimate_basis: str

    @classmethod
    def of(cls, found: Explanation, /, **members: Any) -> Self:
        """Return the document of an explanation."""
        checks = [*map(CheckDocument.of, found.checks)]
        return super().of(found, id=found.job.id, state=found.job.state, checks=checks, **members)


class CallDocument(Document):
    """One call of a stack."""

    file: str
    line: int
    function: str
    code: str | None


class StackDocument(Document):
    """The stack of a running job, innermost call last."""

    id: Id
    worker: str
    pid: int | None
    at: Time
    calls: list[CallDocument]
    omitted: int
    reason: str | None = Field(description="Why there are no calls, if there are none.")

    @classmethod
    def of(cls, stack: Stack, /, **members: Any) -> Self:
        """Return the document of a stack."""
        calls = [CallDocument.of(call, code=call.code or None) for call in stack.calls]
        return super().of(stack, id=stack.job_id, calls=calls, reason=stack.reason or None, **members)


class BulkResult(Document):
    """The result of an operation on all jobs that match a filter."""

    dry_run: bool
    count: int = Field(description="The number of jobs that were changed, or would be.")
    ids: list[int] = Field(description="The first 1,000 of them.")
    refused: list[RefusalDocument] = Field(description="The first 1,000 that could not be changed.")
    children: int = Field(description="Dependent jobs that were cancelled with them.")
    journal_id: int | None = Field(description="The journal entry, for an undo.")
    more: bool = Field(description="Whether more jobs match than `limit`; send the request again.")


class EnqueuedJobs(Document):
    """The result of enqueueing several jobs."""

    count: int
    ids: list[int] = Field(description="The ids of the jobs in the order of the request; of the holder if a key was taken.")


class BatchDocument(Document):
    """A batch: jobs that were enqueued together."""

    id: Id
    name: str
    total: int
    created_at: Time
    counts: dict[str, int] = Field(description="The number of jobs by state.")
    unfinished: int
    finished: bool
    succeeded: bool

    @classmethod
    def of(cls, batch: Batch, /, **members: Any) -> Self:
        """Return the document of a batch."""
        return super().of(batch, counts=by_state(batch.counts), unfinished=batch.open, **members)
