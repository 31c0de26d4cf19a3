"""Convert records to JSON documents for scripts: times in ISO 8601 UTC, durations in seconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from jobdeck import (
    Attempt,
    Batch,
    Check,
    Dependencies,
    Event,
    Explanation,
    Job,
    JournalEntry,
    Kind,
    Latency,
    Limits,
    LogLine,
    Queue,
    Run,
    Schedule,
    Stack,
    State,
    WorkerInfo,
    handler_kind,
    mask_arguments,
    name_in_kind,
)

TAIL = 4000
"""The number of characters of stdout and of stderr in the document of a shell job; `jobdeck logs` prints all."""
_EXIT = re.compile(r"exit code (\d+)")

Document = dict[str, Any]


def iso(at: float | None) -> str | None:
    """Format seconds since 1970 as ISO 8601 in UTC: `2026-01-31T12:03:04.512Z`."""
    if at is None:
        return None
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):  # beyond the year 9999
        return str(at)


def elapsed_seconds(started_at: float | None, finished_at: float | None) -> float | None:
    """Return the seconds from start to finish."""
    return None if started_at is None or finished_at is None else round(max(0.0, finished_at - started_at), 6)


def job_document(job: Job, *, secrets: bool = False) -> Document:
    """Return every field of a job; secrets in the environment of a command are masked unless `secrets`."""
    return {
        "id": job.id,
        "kind": job.kind,
        "name": name_in_kind(job.kind),
        "args": args_of(job, secrets=secrets),
        "queue": job.queue,
        "priority": job.priority,
        "state": str(job.state),
        "cancelling": job.cancelling,
        "reason": None if job.reason is None else str(job.reason),
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "crashes": job.crashes,
        "backoff": None if job.backoff is None else list(job.backoff),
        "created_at": iso(job.created_at),
        "scheduled_at": iso(job.scheduled_at),
        "started_at": iso(job.started_at),
        "finished_at": iso(job.finished_at),
        "took": elapsed_seconds(job.started_at, job.finished_at),
        "worker": job.worker,
        # As text: a lease has 62 bits, and many JSON readers round large numbers.
        "lease": None if job.lease is None else str(job.lease),
        "lease_until": iso(job.lease_until),
        "timeout": job.timeout,
        "expires_at": iso(job.expires_at),
        "unique_key": job.unique_key,
        "batch": job.batch,
        "tags": list(job.tags),
        "progress": job.progress,
        "progress_message": job.progress_message,
        "result": job.result,
        "error": job.error,
        "trace_id": job.trace_id,
        "traceparent": job.traceparent,
        "tracestate": job.tracestate,
    }


def args_of(job: Job, *, secrets: bool = False) -> Any:
    """Return the arguments, or the stored text if it is not readable as JSON; see `job_document`."""
    from jobdeck import InvalidPayload

    try:
        return job.args if secrets else mask_arguments(job.kind, job.args)
    except InvalidPayload:
        return job.args_json


def attempt_document(attempt: Attempt, *, shell: bool = False) -> Document:
    """Return one attempt; for a shell job, also its exit code."""
    document: Document = {
        "number": attempt.number,
        "worker": attempt.worker,
        "started_at": iso(attempt.started_at),
        "finished_at": iso(attempt.finished_at),
        "took": elapsed_seconds(attempt.started_at, attempt.finished_at),
        "outcome": None if attempt.outcome is None else str(attempt.outcome),
        "error_type": attempt.error_type,
        "message": attempt.message,
        "traceback": attempt.traceback,
        "late_at": iso(attempt.late_at),
    }
    if shell:
        document["exit_code"] = 0 if attempt.outcome == "completed" else _exit_code(attempt)
    return document


def exit_code(job: Job, attempts: Sequence[Attempt]) -> int | None:
    """Return the exit code of a finished shell job; `None` before it finishes, or if a signal killed it."""
    if isinstance(job.result, dict) and isinstance(job.result.get("exit_code"), int):
        return int(job.result["exit_code"])
    ended = [attempt for attempt in attempts if attempt.outcome is not None]
    if not ended or job.state is State.RUNNING:
        return None
    return _exit_code(ended[-1])


def _exit_code(attempt: Attempt) -> int | None:
    found = _EXIT.match(attempt.error_type or "") or _EXIT.match(attempt.message or "")
    return int(found[1]) if found else None


def full_document(queue: Queue, job: Job, *, secrets: bool = False) -> Document:
    """Return a job with its attempts; for a shell job, also its exit code and the end of its output.

    If priorities age, add the effective priority of a ready job.
    """
    attempts = queue.attempts(job.id) if job.attempt or job.started_at else []
    shell = handler_kind(job.kind) == "shell"
    document = job_document(job, secrets=secrets) | {
        "attempts": [attempt_document(attempt, shell=shell) for attempt in attempts]
    }
    document["time_left"] = job.time_left(queue.clock.now())
    if queue.settings.ageing:
        from ..text.priority import aged_priority

        document["effective_priority"] = aged_priority(job, queue.clock.now(), queue.settings.ageing)
    if shell:
        logs = queue.logs(job.id, attempt=job.attempt, limit=1000) if attempts else []
        document["exit_code"] = exit_code(job, attempts)
        document["stdout"] = _stream(logs, "out")
        document["stderr"] = _stream(logs, "err")
    return document


def dependencies_document(dependencies: Dependencies) -> Document:
    """Return the parents of a job, those it still waits for, and its children."""
    return {
        "parents": [
            {"id": job_id, "state": None if state is None else str(state)} for job_id, state in dependencies.parents.items()
        ],
        "waits_for": list(dependencies.waits_for),
        "if_parent_fails": str(dependencies.if_parent_fails),
        "children": [{"id": job_id, "state": str(state)} for job_id, state in dependencies.children.items()],
    }


def explanation_document(explanation: Explanation) -> Document:
    """Return the reasons why a job is not running."""
    return {
        "id": explanation.job.id,
        "state": str(explanation.job.state),
        "at": iso(explanation.at),
        "summary": explanation.summary,
        "checks": [_check_document(check) for check in explanation.checks],
        "ahead": explanation.ahead,
        "ahead_truncated": explanation.ahead_truncated,
        "starts_in": explanation.starts_in,
        "estimate_basis": explanation.estimate_basis,
    }


def _check_document(check: Check) -> Document:
    return {
        "name": check.name,
        "met": check.met,
        "message": check.message,
        "advice": check.advice,
        "until": iso(check.until),
    }


def details_document(queue: Queue, job: Job) -> Document:
    """Return what the cockpit shows of a job beyond its record: dependencies, batch, journal, explanation, command."""
    from jobdeck import BatchNotFound

    from ..forms.cli_command import enqueue_command
    from ..text.format import schedule_name

    batch = None
    if job.batch is not None:
        with suppress(BatchNotFound):
            batch = batch_document(queue.batches.get(job.batch))
    return dependencies_document(queue.dependencies(job.id)) | {
        "batch_status": batch,
        "schedule": schedule_name(job),
        "journal": [journal_document(entry) for entry in queue.journal.of_job(job.id)],
        "explanation": explanation_document(queue.explain(job.id)),
        "enqueue_command": enqueue_command(job),
    }


def batch_document(batch: Batch) -> Document:
    """Return a batch with its progress and outcome."""
    return {
        "id": batch.id,
        "name": batch.name,
        "total": batch.total,
        "created_at": iso(batch.created_at),
        "counts": {str(state): batch.counts.get(state, 0) for state in State},
        "unfinished": batch.open,
        "finished": batch.finished,
        "succeeded": batch.succeeded,
    }


def limits_document(limits: Limits) -> Document:
    """Return the limits of a queue; the period in seconds."""
    return {"running": limits.running, "rate": limits.rate, "period": limits.period}


def _stream(logs: Sequence[LogLine], level: str) -> str:
    text = "".join(line.text + ("" if line.unfinished else "\n") for line in logs if line.level == level)
    return text.removesuffix("\n")[-TAIL:]


def log_document(line: LogLine) -> Document:
    """Return a line of a log."""
    return {
        "id": line.id,
        "job_id": line.job_id,
        "attempt": line.attempt,
        "at": iso(line.at),
        "level": line.level,
        "text": line.text,
        "unfinished": line.unfinished,
    }


def worker_document(worker: WorkerInfo) -> Document:
    """Return a worker process."""
    return {
        "id": worker.id,
        "host": worker.host,
        "pid": worker.pid,
        "threads": worker.threads,
        "processes": worker.processes,
        "stuck": worker.stuck,
        "running": worker.running,
        "queues": list(worker.queues),
        "kinds": list(worker.kinds),
        "stopping": [
            {"job_id": each.job_id, "kind": each.kind, "since": iso(each.since), "reason": each.reason}
            for each in worker.stopping
        ],
        "stalled": [{"thread": each.thread, "since": iso(each.since), "error": each.error} for each in worker.stalled],
        "started_at": iso(worker.started_at),
        "heartbeat_at": iso(worker.heartbeat_at),
        "alive": worker.alive,
        "draining": worker.draining,
    }


def running_document(job: Job) -> Document:
    """Return a running job as part of its worker's document."""
    return {
        "id": job.id,
        "kind": job.kind,
        "queue": job.queue,
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "started_at": iso(job.started_at),
        "lease_until": iso(job.lease_until),
        "progress": job.progress,
        "progress_message": job.progress_message,
        "cancelling": job.cancelling,
    }


def stack_document(stack: Stack) -> Document:
    """Return the stack of a running job; `reason` explains why `calls` is empty, if it is."""
    return {
        "id": stack.job_id,
        "worker": stack.worker,
        "pid": stack.pid,
        "at": iso(stack.at),
        "calls": [
            {"file": call.file, "line": call.line, "function": call.function, "code": call.code or None} for call in stack.calls
        ],
        "omitted": stack.omitted,
        "reason": stack.reason or None,
    }


def journal_document(entry: JournalEntry) -> Document:
    """Return a journal entry."""
    return {
        "id": entry.id,
        "at": iso(entry.at),
        "actor": entry.actor,
        "operation": entry.operation,
        "summary": entry.summary,
        "count": entry.n,
        "undoable": entry.recorded,
        "undone": entry.undone,
        "undone_at": iso(entry.undone_at),
        "undone_by": entry.undone_by,
    }


def event_document(event: Event) -> Document:
    """Return an event."""
    return {
        "at": iso(event.at),
        "event": str(event.type),
        "job_id": event.job_id,
        "kind": event.kind or None,
        "queue": event.queue or None,
        "worker": event.worker,
        "attempt": event.number,
        "took": None if event.took is None else round(event.took, 6),
        "text": event.text or None,
        "actor": event.actor,
        "key": event.key,
    }


def run_document(run: Run) -> Document:
    """Return one attempt with the main fields of its job."""
    return {
        "job_id": run.job_id,
        "kind": run.kind,
        "queue": run.queue,
        "attempt": run.number,
        "max_attempts": run.max_attempts,
        "worker": run.worker,
        "started_at": iso(run.started_at),
        "finished_at": iso(run.finished_at),
        "took": elapsed_seconds(run.started_at, run.finished_at),
        "outcome": None if run.outcome is None else str(run.outcome),
        "superseded": run.superseded,
        "cancelling": run.cancelling,
        "progress": run.progress,
        "error": run.error,
        "late_at": iso(run.late_at),
        "lease": str(run.lease),
        "lease_until": iso(run.lease_until),
    }


def schedule_document(schedule: Schedule) -> Document:
    """Return a schedule with its time in words; `next_at` is null while it is paused."""
    return {
        "name": schedule.name,
        "cron": schedule.cron,
        "description": cron_description(schedule.cron),
        "timezone": schedule.timezone,
        "kind": schedule.kind,
        "args": mask_arguments(schedule.kind, schedule.args),
        "queue": schedule.queue,
        "priority": schedule.priority,
        "max_attempts": schedule.max_attempts,
        "timeout": schedule.timeout,
        "tags": list(schedule.tags),
        "created_at": iso(schedule.created_at),
        "paused": schedule.paused,
        "paused_at": iso(schedule.paused_at),
        "next_at": None if schedule.paused else iso(schedule.next_at),
        "last_at": iso(schedule.last_at),
        "last_job": schedule.last_job,
        "error": schedule.error,
    }


def cron_description(cron: str) -> str | None:
    """Describe the cron expression in words; return `None` if it is invalid."""
    from jobdeck import InvalidCron, explain_cron

    try:
        return explain_cron(cron)
    except InvalidCron:
        return None


def kind_document(kind: Kind) -> Document:
    """Return a kind with its arguments."""
    return {
        "kind": kind.name,
        "description": kind.doc,
        "queue": kind.queue,
        "priority": kind.priority,
        "max_attempts": kind.max_attempts,
        "timeout": kind.timeout,
        "isolate": kind.isolate,
        "concurrency": kind.concurrency,
        "backoff": None if kind.backoff is None else list(kind.backoff),
        "retry_on": None if kind.retry_on is None else list(kind.retry_on),
        "give_up_on": list(kind.give_up_on),
        "arguments": [
            {
                "name": each.name,
                "type": each.type,
                "required": each.required,
                "default": each.default,
                "choices": list(each.choices),
                "description": each.doc,
            }
            for each in kind.parameters
        ],
    }


def latency_document(latency: Latency) -> Document:
    """Return percentiles in seconds."""
    return {"p50": latency.p50, "p95": latency.p95, "p99": latency.p99, "count": latency.count}
