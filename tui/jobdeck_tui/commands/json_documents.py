"""Records as JSON documents, complete enough for scripts: times in ISO 8601 UTC, durations in seconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from jobdeck import (
    Act,
    Attempt,
    Batch,
    Check,
    Event,
    Explanation,
    Family,
    Job,
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
)

TAIL = 4000
"""Characters of each of a command's two streams that a listed job carries; `jobdeck logs` has them all."""
_EXIT = re.compile(r"exit code (\d+)")

Document = dict[str, Any]


def iso(at: float | None) -> str | None:
    """Seconds since 1970 as ISO 8601 in UTC: `2026-01-31T12:03:04.512Z`."""
    if at is None:
        return None
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):  # beyond the year 9999
        return str(at)


def took(started_at: float | None, finished_at: float | None) -> float | None:
    """Seconds from start to end."""
    return None if started_at is None or finished_at is None else round(max(0.0, finished_at - started_at), 6)


def job_document(job: Job) -> Document:
    """Every field of a job."""
    return {
        "id": job.id,
        "kind": job.kind,
        "args": args_of(job),
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
        "took": took(job.started_at, job.finished_at),
        "worker": job.worker,
        # As text: it has 62 bits, and many JSON readers round such numbers.
        "lease": None if job.lease is None else str(job.lease),
        "lease_until": iso(job.lease_until),
        "timeout": job.timeout,
        "expires_at": iso(job.expires_at),
        "unique_key": job.unique_key,
        "batch": job.batch,
        "tags": list(job.tags),
        "progress": job.progress,
        "result": job.result,
        "error": job.error,
    }


def args_of(job: Job) -> Any:
    """The arguments; the stored text itself where it cannot be read."""
    from jobdeck import PayloadUnreadable

    try:
        return job.args
    except PayloadUnreadable:
        return job.args_json


def attempt_document(attempt: Attempt, *, shell: bool = False) -> Document:
    """One attempt; of a command also its exit code."""
    document: Document = {
        "number": attempt.number,
        "worker": attempt.worker,
        "started_at": iso(attempt.started_at),
        "finished_at": iso(attempt.finished_at),
        "took": took(attempt.started_at, attempt.finished_at),
        "outcome": None if attempt.outcome is None else str(attempt.outcome),
        "error_type": attempt.error_type,
        "message": attempt.message,
        "traceback": attempt.traceback,
        "late_at": iso(attempt.late_at),
    }
    if shell:
        document["exit_code"] = 0 if attempt.outcome == "completed" else _exit_code(attempt.message)
    return document


def exit_code(job: Job, attempts: Sequence[Attempt]) -> int | None:
    """The exit code of a command that has ended; `None` while it has none, or if a signal ended it."""
    if isinstance(job.result, dict) and isinstance(job.result.get("exit_code"), int):
        return int(job.result["exit_code"])
    ended = [attempt for attempt in attempts if attempt.outcome is not None]
    if not ended or job.state is State.RUNNING:
        return None
    return _exit_code(ended[-1].message)


def _exit_code(message: str | None) -> int | None:
    found = _EXIT.match(message or "")
    return int(found[1]) if found else None


def full_document(queue: Queue, job: Job) -> Document:
    """A job with its attempts; of a command also its exit code and the end of what it wrote.

    Where priorities age also the effective one, while the job is ready.
    """
    attempts = queue.attempts(job.id) if job.attempt or job.started_at else []
    shell = job.kind == "shell"
    document = job_document(job) | {"attempts": [attempt_document(attempt, shell=shell) for attempt in attempts]}
    if queue.settings.ageing:
        from ..text.priority import aged_priority

        document["effective_priority"] = aged_priority(job, queue.clock.now(), queue.settings.ageing)
    if shell:
        logs = queue.logs(job.id, attempt=job.attempt, limit=1000) if attempts else []
        document["exit_code"] = exit_code(job, attempts)
        document["stdout"] = _stream(logs, "out")
        document["stderr"] = _stream(logs, "err")
    return document


def family_document(family: Family) -> Document:
    """The jobs that a job came after, those that it waits for, and those that came after it."""
    return {
        "after": [{"id": job_id, "state": None if state is None else str(state)} for job_id, state in family.parents.items()],
        "waits_for": list(family.waits_for),
        "if_parent_fails": str(family.if_parent_fails),
        "before": [{"id": job_id, "state": str(state)} for job_id, state in family.children.items()],
    }


def explanation_document(told: Explanation) -> Document:
    """Why a job does not run."""
    return {
        "id": told.job.id,
        "state": str(told.job.state),
        "at": iso(told.at),
        "summary": told.summary,
        "checks": [_check_document(check) for check in told.checks],
        "ahead": told.ahead,
        "ahead_more": told.ahead_more,
        "starts_in": told.starts_in,
        "basis": told.basis,
    }


def _check_document(check: Check) -> Document:
    return {
        "name": check.name,
        "holds": check.holds,
        "sentence": check.sentence,
        "advice": check.advice,
        "until": iso(check.until),
    }


def told_document(queue: Queue, job: Job) -> Document:
    """What the cockpit tells of a job besides its record: its bonds, what people did to it, why it does not run."""
    from jobdeck import BatchNotFound

    from ..forms.cli_command import command_of
    from ..text.format import schedule_of

    batch = None
    if job.batch is not None:
        with suppress(BatchNotFound):
            batch = batch_document(queue.batch(job.batch))
    return family_document(queue.dependencies(job.id)) | {
        "of_batch": batch,
        "schedule": schedule_of(job),
        "acts": [act_document(act) for act in queue.journal_of(job.id)],
        "why": explanation_document(queue.explain(job.id)),
        "command": command_of(job),
    }


def batch_document(batch: Batch) -> Document:
    """A batch and its outcome."""
    return {
        "id": batch.id,
        "name": batch.name,
        "total": batch.total,
        "created_at": iso(batch.created_at),
        "counts": {str(state): batch.counts.get(state, 0) for state in State},
        "open": batch.open,
        "finished": batch.finished,
        "succeeded": batch.succeeded,
    }


def limits_document(limits: Limits) -> Document:
    """The limits of a queue; the period in seconds."""
    return {"running": limits.running, "rate": limits.rate, "period": limits.period}


def _stream(logs: Sequence[LogLine], level: str) -> str:
    return "\n".join(line.text for line in logs if line.level == level)[-TAIL:]


def log_document(line: LogLine) -> Document:
    """A piece of a log."""
    return {
        "id": line.id,
        "job_id": line.job_id,
        "attempt": line.attempt,
        "at": iso(line.at),
        "level": line.level,
        "text": line.text,
    }


def worker_document(worker: WorkerInfo) -> Document:
    """A worker process."""
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
            {"job_id": each.job_id, "kind": each.kind, "since": iso(each.since), "why": each.why} for each in worker.stopping
        ],
        "started_at": iso(worker.started_at),
        "heartbeat_at": iso(worker.heartbeat_at),
        "alive": worker.alive,
        "draining": worker.draining,
    }


def running_document(job: Job) -> Document:
    """What a worker runs."""
    return {
        "id": job.id,
        "kind": job.kind,
        "queue": job.queue,
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "started_at": iso(job.started_at),
        "lease_until": iso(job.lease_until),
        "progress": job.progress,
        "cancelling": job.cancelling,
    }


def stack_document(stack: Stack) -> Document:
    """Where the code of a running job is; `told` says why there are no calls, if there are none."""
    return {
        "id": stack.job_id,
        "worker": stack.worker,
        "pid": stack.pid,
        "at": iso(stack.at),
        "calls": [
            {"file": call.file, "line": call.line, "function": call.function, "code": call.code or None} for call in stack.calls
        ],
        "left_out": stack.left_out,
        "told": stack.told or None,
    }


def act_document(act: Act) -> Document:
    """What somebody did."""
    return {
        "id": act.id,
        "at": iso(act.at),
        "who": act.who,
        "operation": act.operation,
        "told": act.told,
        "count": act.n,
        "undoable": act.kept,
        "undone": act.undone,
        "undone_at": iso(act.undone_at),
        "undone_by": act.undone_by,
    }


def event_document(event: Event) -> Document:
    """Something that has happened."""
    return {
        "at": iso(event.at),
        "event": str(event.what),
        "job_id": event.job_id,
        "kind": event.kind or None,
        "queue": event.queue or None,
        "worker": event.worker,
        "attempt": event.number,
        "took": None if event.took is None else round(event.took, 6),
        "text": event.text or None,
        "who": event.who,
        "key": event.key,
    }


def run_document(run: Run) -> Document:
    """One attempt, with what a person wants to know of its job."""
    return {
        "job_id": run.job_id,
        "kind": run.kind,
        "queue": run.queue,
        "attempt": run.number,
        "max_attempts": run.max_attempts,
        "worker": run.worker,
        "started_at": iso(run.started_at),
        "finished_at": iso(run.finished_at),
        "took": took(run.started_at, run.finished_at),
        "outcome": None if run.outcome is None else str(run.outcome),
        "again": run.again,
        "cancelling": run.cancelling,
        "progress": run.progress,
        "error": run.error,
        "late_at": iso(run.late_at),
        "lease": str(run.lease),
        "lease_until": iso(run.lease_until),
    }


def schedule_document(schedule: Schedule) -> Document:
    """A schedule, with its time in words; without a next tick while it is paused."""
    return {
        "name": schedule.name,
        "cron": schedule.cron,
        "words": words_of(schedule.cron),
        "timezone": schedule.timezone,
        "kind": schedule.kind,
        "args": schedule.args,
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


def words_of(cron: str) -> str | None:
    """The expression in words; `None` where it cannot be read."""
    from jobdeck import InvalidCron, explain_cron

    try:
        return explain_cron(cron)
    except InvalidCron:
        return None


def kind_document(kind: Kind) -> Document:
    """A kind with its arguments."""
    return {
        "kind": kind.name,
        "doc": kind.doc,
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
                "doc": each.doc,
            }
            for each in kind.parameters
        ],
    }


def latency_document(latency: Latency) -> Document:
    """Percentiles in seconds."""
    return {"p50": latency.p50, "p95": latency.p95, "p99": latency.p99, "count": latency.count}
