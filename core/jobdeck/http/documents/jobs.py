"""The documents that the API returns, made from records: times in ISO 8601 UTC, durations in seconds.

Their members have the names that the commands print with `--json`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from starlette.responses import Response

from ..execution.stack_trace import Stack
from ..model.cron import explain_cron
from ..model.diagnosis import Explanation
from ..model.environment import mask_arguments
from ..model.errors import InvalidCron, InvalidPayload
from ..model.events import Event
from ..model.forecast import QueueStats, forecast
from ..model.jobs import Attempt, Batch, Dependencies, Job, Kind, Limits, LogLine, OperationResult
from ..model.journal import JournalEntry, UndoResult
from ..model.kind_names import name_in_kind
from ..model.metrics import ErrorGroup, Metrics
from ..model.overview import Latency, Overview, TimeSlice, WorkerInfo
from ..model.schedules import Schedule, ScheduledRun
from ..model.states import State
from .problems import describe


def iso(at: float) -> str:
    """Format seconds since 1970 as ISO 8601 in UTC: `2026-01-31T12:03:04.512Z`."""
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):  # beyond the year 9999
        return "9999-12-31T23:59:59.999Z"


Time = Annotated[
    float,
    PlainSerializer(iso, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-01-31T12:03:04.512Z"]}),
]
Id = Annotated[int, Field(ge=1, examples=[42])]


class Document(BaseModel):
    """The base of all documents."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class JsonResponse(Response):
    """A response with a document, serialized on the thread that has read it."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the JSON of a document; that of any text, also of what UTF-8 cannot encode."""
        try:
            text = content.model_dump_json() if isinstance(content, BaseModel) else json.dumps(content)
            return str(text).encode()
        except ValueError:  # lone surrogates, which JSON has and UTF-8 has not
            return json.dumps(_plain(content)).encode()


def _plain(content: Any) -> Any:
    return content.model_dump() if isinstance(content, BaseModel) else content


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

    @classmethod
    def of(cls, job: Job) -> Self:
        """Return the document of a job."""
        try:
            args: Any = mask_arguments(job.kind, job.args)
        except InvalidPayload:
            args = job.args_json
        ended = job.started_at is not None and job.finished_at is not None
        return cls.model_construct(
            id=job.id,
            kind=job.kind,
            name=name_in_kind(job.kind),
            args=args,
            queue=job.queue,
            priority=job.priority,
            state=job.state,
            cancelling=job.cancelling,
            reason=None if job.reason is None else str(job.reason),
            attempt=job.attempt,
            max_attempts=job.max_attempts,
            crashes=job.crashes,
            backoff=None if job.backoff is None else list(job.backoff),
            created_at=job.created_at,
            scheduled_at=job.scheduled_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            took=_took(job.started_at, job.finished_at) if ended else None,
            worker=job.worker,
            lease_until=job.lease_until,
            timeout=job.timeout,
            expires_at=job.expires_at,
            unique_key=job.unique_key,
            batch=job.batch,
            tags=list(job.tags),
            progress=job.progress,
            progress_message=job.progress_message,
            result=job.result,
            error=job.error,
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
    def of(cls, attempt: Attempt) -> Self:
        """Return the document of an attempt."""
        return cls.model_construct(
            number=attempt.number,
            worker=attempt.worker,
            started_at=attempt.started_at,
            finished_at=attempt.finished_at,
            took=_took(attempt.started_at, attempt.finished_at),
            outcome=None if attempt.outcome is None else str(attempt.outcome),
            error_type=attempt.error_type,
            message=attempt.message,
            traceback=attempt.traceback,
            late_at=attempt.late_at,
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

    @classmethod
    def of(cls, line: LogLine) -> Self:
        """Return the document of a log line."""
        return cls.model_construct(
            id=line.id, job_id=line.job_id, attempt=line.attempt, at=line.at, level=line.level, text=line.text
        )


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
    def of(cls, found: Dependencies) -> Self:
        """Return the document of the dependencies of a job."""
        return cls(
            parents=[ParentDocument(id=job_id, state=state) for job_id, state in found.parents.items()],
            waits_for=list(found.waits_for),
            if_parent_fails=str(found.if_parent_fails),
            children=[ChildDocument(id=job_id, state=state) for job_id, state in found.children.items()],
        )


class CheckDocument(Document):
    """One condition of the claim."""

    name: str
    met: bool
    message: str
    advice: str
    until: Time | None


class ExplanationDocument(Document):
    """Why a job is not running."""

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
    def of(cls, found: Explanation) -> Self:
        """Return the document of an explanation."""
        return cls(
            id=found.job.id,
            state=found.job.state,
            at=found.at,
            summary=found.summary,
            checks=[
                CheckDocument(name=each.name, met=each.met, message=each.message, advice=each.advice, until=each.until)
                for each in found.checks
            ],
            ahead=found.ahead,
            ahead_truncated=found.ahead_truncated,
            starts_in=found.starts_in,
            estimate_basis=found.estimate_basis,
        )


class CallDocument(Document):
    """One call of a stack."""

    file: str
    line: int
    function: str
    code: str | None


class StackDocument(Document):
    """Where the code of a running job is, innermost call last."""

    id: Id
    worker: str
    pid: int | None
    at: Time
    calls: list[CallDocument]
    omitted: int
    reason: str | None = Field(description="Why there are no calls, if there are none.")

    @classmethod
    def of(cls, stack: Stack) -> Self:
        """Return the document of a stack."""
        return cls(
            id=stack.job_id,
            worker=stack.worker,
            pid=stack.pid,
            at=stack.at,
            calls=[
                CallDocument(file=call.file, line=call.line, function=call.function, code=call.code or None)
                for call in stack.calls
            ],
            omitted=stack.omitted,
            reason=stack.reason or None,
        )


class RefusalDocument(Document):
    """Why an operation left a job, queue or schedule unchanged."""

    subject: int | str = Field(description="The id of the job, or the name of the queue or schedule.")
    detail: str


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
    def of(cls, batch: Batch) -> Self:
        """Return the document of a batch."""
        return cls(
            id=batch.id,
            name=batch.name,
            total=batch.total,
            created_at=batch.created_at,
            counts={str(state): batch.counts.get(state, 0) for state in State},
            unfinished=batch.open,
            finished=batch.finished,
            succeeded=batch.succeeded,
        )


class LimitsDocument(Document):
    """The limits of a queue; null means no limit."""

    running: int | None = Field(description="Jobs that may run at once.")
    rate: int | None = Field(description="Jobs that may start within any `period` seconds.")
    period: float | None

    @classmethod
    def of(cls, limits: Limits) -> Self:
        """Return the document of limits."""
        return cls(running=limits.running, rate=limits.rate, period=limits.period)


class QueueDocument(Document):
    """A queue, with its last five minutes."""

    name: str
    paused: bool
    paused_at: Time | None
    counts: dict[str, int] = Field(description="The number of jobs by state.")
    limits: LimitsDocument
    oldest_wait: float | None = Field(description="Seconds that the oldest ready job has waited.")
    throughput: float = Field(description="Completed jobs a second.")
    threads: int = Field(description="Threads that serve it.")
    trend: str
    empty_in: float | None = Field(description="Estimated seconds until it is empty.")

    @classmethod
    def of(cls, stats: QueueStats) -> Self:
        """Return the document of a queue."""
        expected = forecast(stats)
        return cls(
            name=stats.info.name,
            paused=stats.info.paused,
            paused_at=stats.info.paused_at,
            counts={str(state): stats.info.counts.get(state, 0) for state in State},
            limits=LimitsDocument.of(stats.info.limits),
            oldest_wait=stats.oldest_wait,
            throughput=round(stats.total.throughput, 6),
            threads=stats.threads,
            trend=str(expected.trend),
            empty_in=expected.empty_in,
        )


class QueueList(Document):
    """Every queue, by name."""

    queues: list[QueueDocument]


class WorkerDocument(Document):
    """A worker process."""

    id: str
    host: str
    pid: int
    threads: int
    processes: int
    stuck: int
    running: int
    queues: list[str] = Field(description="Empty means all.")
    kinds: list[str]
    started_at: Time
    heartbeat_at: Time
    alive: bool
    draining: bool

    @classmethod
    def of(cls, worker: WorkerInfo) -> Self:
        """Return the document of a worker."""
        return cls(
            id=worker.id,
            host=worker.host,
            pid=worker.pid,
            threads=worker.threads,
            processes=worker.processes,
            stuck=worker.stuck,
            running=worker.running,
            queues=list(worker.queues),
            kinds=list(worker.kinds),
            started_at=worker.started_at,
            heartbeat_at=worker.heartbeat_at,
            alive=worker.alive,
            draining=worker.draining,
        )


class WorkerList(Document):
    """The registered workers, oldest first."""

    workers: list[WorkerDocument]


class KindDocument(Document):
    """A kind that can be enqueued."""

    kind: str
    description: str
    queue: str
    priority: int
    max_attempts: int | None
    timeout: float | None
    isolate: bool
    concurrency: int | None
    arguments: dict[str, Any] = Field(description="JSON Schema (draft 2020-12) of its arguments.")

    @classmethod
    def of(cls, kind: Kind, schema: dict[str, Any]) -> Self:
        """Return the document of a kind."""
        return cls(
            kind=kind.name,
            description=kind.doc,
            queue=kind.queue,
            priority=kind.priority,
            max_attempts=kind.max_attempts,
            timeout=kind.timeout,
            isolate=kind.isolate,
            concurrency=kind.concurrency,
            arguments=schema,
        )


class KindList(Document):
    """The kinds that this server knows, by name."""

    kinds: list[KindDocument]


class LatencyDocument(Document):
    """Percentiles in seconds."""

    p50: float | None
    p95: float | None
    p99: float | None
    count: int

    @classmethod
    def of(cls, latency: Latency) -> Self:
        """Return the document of percentiles."""
        return cls(p50=latency.p50, p95=latency.p95, p99=latency.p99, count=latency.count)


class SliceDocument(Document):
    """The metrics of a time range."""

    at: Time
    seconds: float
    started: int
    completed: int
    failed: int
    retried: int
    crashed: int
    cancelled: int
    throughput: float
    failure_rate: float | None
    run: LatencyDocument
    wait: LatencyDocument

    @classmethod
    def of(cls, each: TimeSlice) -> Self:
        """Return the document of a time slice."""
        return cls(
            at=each.at,
            seconds=each.seconds,
            started=each.started,
            completed=each.completed,
            failed=each.failed,
            retried=each.retried,
            crashed=each.crashed,
            cancelled=each.cancelled,
            throughput=each.throughput,
            failure_rate=each.failure_rate,
            run=LatencyDocument.of(each.run),
            wait=LatencyDocument.of(each.wait),
        )


class Stats(Document):
    """The number of jobs, and the metrics of a time range."""

    at: Time
    counts: dict[str, int] = Field(description="The number of jobs by state.")
    pending: int
    oldest_wait: float | None
    total: SliceDocument
    slices: list[SliceDocument]

    @classmethod
    def of(cls, metrics: Metrics, counts: dict[str, int]) -> Self:
        """Return the document of metrics."""
        return cls(
            at=metrics.at,
            counts=counts,
            pending=metrics.pending,
            oldest_wait=metrics.oldest_wait,
            total=SliceDocument.of(metrics.total),
            slices=[*map(SliceDocument.of, metrics.slices)],
        )


class ErrorGroupDocument(Document):
    """Failed attempts with the same kind, error and place."""

    kind: str
    error_type: str
    place: str = Field(description="Where it was raised: `file:line function`.")
    count: int
    first_seen: Time
    last_seen: Time
    message: str
    job_ids: list[int]

    @classmethod
    def of(cls, group: ErrorGroup) -> Self:
        """Return the document of a group of failures."""
        return cls(
            kind=group.kind,
            error_type=group.error_type,
            place=group.place,
            count=group.count,
            first_seen=group.first_seen,
            last_seen=group.last_seen,
            message=group.message,
            job_ids=list(group.job_ids),
        )


class ErrorList(Document):
    """Groups of failures, the largest first."""

    errors: list[ErrorGroupDocument]


class ScheduleDocument(Document):
    """A schedule."""

    name: str
    cron: str
    description: str | None = Field(description="The expression in words.")
    timezone: str
    kind: str
    args: Any
    queue: str
    priority: int
    max_attempts: int
    timeout: float | None
    tags: list[str]
    created_at: Time
    paused: bool
    paused_at: Time | None
    next_at: Time | None = Field(description="The next tick; null while it is paused.")
    last_at: Time | None
    last_job: int | None
    error: str | None = Field(description="Why its last tick enqueued no job.")

    @classmethod
    def of(cls, schedule: Schedule) -> Self:
        """Return the document of a schedule."""
        try:
            description = explain_cron(schedule.cron)
        except InvalidCron:
            description = None
        return cls(
            name=schedule.name,
            cron=schedule.cron,
            description=description,
            timezone=schedule.timezone,
            kind=schedule.kind,
            args=mask_arguments(schedule.kind, schedule.args),
            queue=schedule.queue,
            priority=schedule.priority,
            max_attempts=schedule.max_attempts,
            timeout=schedule.timeout,
            tags=list(schedule.tags),
            created_at=schedule.created_at,
            paused=schedule.paused,
            paused_at=schedule.paused_at,
            next_at=None if schedule.paused else schedule.next_at,
            last_at=schedule.last_at,
            last_job=schedule.last_job,
            error=schedule.error,
        )


class ScheduleList(Document):
    """All schedules, by name."""

    schedules: list[ScheduleDocument]


class ScheduledRunDocument(Document):
    """A job that a schedule enqueued."""

    id: Id
    state: State
    created_at: Time
    scheduled_at: Time
    started_at: Time | None
    finished_at: Time | None
    attempt: int
    error: str | None

    @classmethod
    def of(cls, run: ScheduledRun) -> Self:
        """Return the document of a job of a schedule."""
        return cls(
            id=run.id,
            state=run.state,
            created_at=run.created_at,
            scheduled_at=run.scheduled_at,
            started_at=run.started_at,
            finished_at=run.finished_at,
            attempt=run.attempt,
            error=run.error,
        )


class ScheduleHistory(Document):
    """The newest jobs of a schedule, newest first."""

    jobs: list[ScheduledRunDocument]


class SchedulePreview(Document):
    """The meaning of a cron expression."""

    description: str
    ticks: list[Time]


class JournalEntryDocument(Document):
    """An operation of a person or a program."""

    id: Id
    at: Time
    actor: str
    operation: str
    summary: str
    count: int
    undoable: int
    undone: int
    undone_at: Time | None
    undone_by: str | None

    @classmethod
    def of(cls, entry: JournalEntry) -> Self:
        """Return the document of a journal entry."""
        return cls(
            id=entry.id,
            at=entry.at,
            actor=entry.actor,
            operation=entry.operation,
            summary=entry.summary,
            count=entry.n,
            undoable=entry.recorded,
            undone=entry.undone,
            undone_at=entry.undone_at,
            undone_by=entry.undone_by,
        )


class JournalPage(Document):
    """The newest entries of the journal, newest first."""

    entries: list[JournalEntryDocument]


class UndoDocument(Document):
    """The result of an undo or a redo."""

    entry: JournalEntryDocument
    count: int
    done: list[int | str] = Field(description="The ids of jobs, or the names of queues or the schedule.")
    refused: list[RefusalDocument]
    not_recorded: int = Field(description="Further jobs that exceeded the journal's size limit.")

    @classmethod
    def of(cls, result: UndoResult) -> Self:
        """Return the document of an undo."""
        return cls(
            entry=JournalEntryDocument.of(result.entry),
            count=len(result.done),
            done=list(result.done),
            refused=[RefusalDocument(subject=each, detail=describe(error)) for each, error in result.refused.items()],
            not_recorded=result.not_recorded,
        )


class EventDocument(Document):
    """Something that happened to a job, or that a person or program did."""

    at: Time
    event: str
    job_id: int | None
    kind: str | None
    queue: str | None
    worker: str | None
    attempt: int | None
    took: float | None
    text: str | None
    actor: str | None
    key: str

    @classmethod
    def of(cls, event: Event) -> Self:
        """Return the document of an event."""
        return cls.model_construct(
            at=event.at,
            event=str(event.type),
            job_id=event.job_id,
            kind=event.kind or None,
            queue=event.queue or None,
            worker=event.worker,
            attempt=event.number,
            took=None if event.took is None else round(event.took, 6),
            text=event.text or None,
            actor=event.actor,
            key=event.key,
        )


class Health(Document):
    """Whether jobs are being processed."""

    healthy: bool
    reasons: list[str] = Field(description="Why not, one sentence each.")
    at: Time
    workers: int
    stale_workers: int
    pending: int
    running: int

    @classmethod
    def of(cls, overview: Overview, reasons: list[str]) -> Self:
        """Return the document of the health of a queue."""
        return cls(
            healthy=not reasons,
            reasons=reasons,
            at=overview.at,
            workers=sum(worker.alive for worker in overview.workers),
            stale_workers=sum(not worker.alive for worker in overview.workers),
            pending=sum(each.pending for each in overview.queues),
            running=len(overview.running),
        )


def refusals(result: OperationResult) -> list[RefusalDocument]:
    """Return why an operation refused jobs."""
    return [RefusalDocument(subject=job_id, detail=describe(error)) for job_id, error in result.refused.items()]
