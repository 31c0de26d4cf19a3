"""Many jobs at once: enqueue them all or none, as a batch or not; cancel, retry and delete all that match a filter."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Annotated

from fastapi import Path, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ...model.errors import BatchNotFound, InvalidFilter, JobdeckError
from ...model.jobs import NewJob, OperationResult
from ...model.selection import allowed_jobs
from ...model.states import Operation
from ...queue import Queue
from ..access import allow_kind, caller_of, scope
from ..documents.base import JsonResponse, refusals
from ..documents.jobs import BatchDocument, BulkResult, EnqueuedJobs
from ..problems import field_problem, problem
from ..requests import BatchInput, FilterSelection, JobInput
from ..routing import make_router, queue_of, require_type, responses, watcher_of
from ..tokens import Scope
from .jobs import Seconds, wait_until

router = make_router("many jobs")

_LINES = 10_000
_STEP = 500
"""Jobs changed per transaction; workers write in between."""
_NAMED = 1_000
"""Ids in the result of an operation."""
_WRONG = 100
"""Wrong lines that are reported."""
BatchId = Annotated[int, Path(ge=1, lt=2**63, description="The id of the batch.")]


@router.post(
    "/jobs:bulk",
    operation_id="enqueueJobs",
    status_code=201,
    response_model=EnqueuedJobs,
    responses=responses(404, 409, 415),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/x-ndjson": {
                    "schema": {"type": "string", "description": "One JobInput on each line, 10,000 at most."},
                    "example": '{"kind": "tasks.add", "args": {"numbers": [1]}}\n{"kind": "tasks.add", "priority": 5}\n',
                }
            },
        }
    },
)
@scope(Scope.ENQUEUE)
async def enqueue_jobs(request: Request) -> Response:
    """Enqueue many jobs in one commit: all or none."""
    require_type(request, "application/x-ndjson", "application/jsonl", "application/json-lines", "application/ndjson")
    return await run_in_threadpool(_enqueue_lines, request, await request.body())


def _enqueue_lines(request: Request, body: bytes) -> Response:
    queue = queue_of(request)
    drafts: list[NewJob] = []
    wrong: list[dict[str, str]] = []
    lines = [line for line in body.split(b"\n") if line.strip()]
    if not lines:
        raise HTTPException(400, "The body holds no job; send one JSON document on each line.")
    if len(lines) > _LINES:
        return problem(413, "Too many jobs", f"A request may enqueue at most {_LINES:,} jobs.", limit=_LINES)
    for number, line in enumerate(lines):
        try:
            given = JobInput.model_validate(json.loads(line))
        except ValidationError as errors:
            wrong += [
                field_problem("body", (number, *each["loc"]), str(each["msg"])) for each in errors.errors(include_url=False)
            ]
        except (ValueError, RecursionError):
            wrong.append(field_problem("body", (number,), "is not a JSON object"))
        else:
            drafts.append(_draft(request, queue, given, number))
        if len(wrong) > _WRONG:
            break
    if wrong:
        return problem(422, "Invalid jobs", "Some lines are no jobs; nothing was enqueued.", errors=wrong[:_WRONG])
    jobs = queue.enqueue_many(drafts)
    return JsonResponse(EnqueuedJobs(count=len(jobs), ids=[job.id for job in jobs]), 201)


def _draft(request: Request, queue: Queue, given: JobInput, *at: object) -> NewJob:
    """Return the checked job; an error says where in the body it is."""
    allow_kind(request, given.kind)
    try:
        return queue.new_job(given.kind, given.args, **given.options())
    except JobdeckError as error:
        error.pointer = at  # type: ignore[attr-defined]  # read by problems.py
        raise


@router.post(
    "/batches",
    operation_id="enqueueBatch",
    status_code=201,
    response_model=BatchDocument,
    responses={
        201: {"description": "Enqueued; it is durable.", "headers": {"Location": {"schema": {"type": "string"}}}},
        **responses(404, 409, 415),
    },
)
@scope(Scope.ENQUEUE)
def enqueue_batch(request: Request, body: BatchInput) -> Response:
    """Enqueue jobs in one commit, as a batch with one outcome to wait for."""
    queue = queue_of(request)
    drafts = [_draft(request, queue, given, "jobs", number) for number, given in enumerate(body.jobs)]
    batch = queue.batches.enqueue(drafts, name=body.name)
    return JsonResponse(BatchDocument.of(batch), 201, {"Location": f"/api/v1/batches/{batch.id}"})


@router.get("/batches/{batch_id:id}", operation_id="getBatch", response_model=BatchDocument, responses=responses(404))
@scope(Scope.READ)
async def get_batch(request: Request, batch_id: BatchId, wait: Seconds = None) -> Response:
    """Return a batch; with `wait`, once all its jobs are finished, or as it is after that many seconds."""
    queue = queue_of(request)
    batch = await run_in_threadpool(queue.batches.get, batch_id)
    if wait and not batch.finished:
        await wait_until(watcher_of(request), lambda queue: _is_finished(queue, batch_id), wait)
        batch = await run_in_threadpool(queue.batches.get, batch_id)
    return JsonResponse(BatchDocument.of(batch))


def _is_finished(queue: Queue, batch_id: int) -> bool:
    try:
        return queue.batches.get(batch_id).finished
    except BatchNotFound:
        return True


@router.post("/jobs/cancel", operation_id="cancelJobs", response_model=BulkResult, responses=responses(415))
@scope(Scope.OPERATE)
def cancel_jobs(request: Request, body: FilterSelection) -> Response:
    """Cancel all queued and running jobs that match."""
    queue, actor = queue_of(request), caller_of(request).name
    return _operate(queue, Operation.CANCEL, body, lambda ids, entry: queue.cancel_many(ids, actor=actor, entry_id=entry))


@router.post("/jobs/retry", operation_id="retryJobs", response_model=BulkResult, responses=responses(415))
@scope(Scope.OPERATE)
def retry_jobs(request: Request, body: FilterSelection) -> Response:
    """Retry all finished or delayed jobs that match; completed ones only if the filter names that state."""
    queue, actor = queue_of(request), caller_of(request).name
    return _operate(queue, Operation.RETRY, body, lambda ids, entry: queue.retry_many(ids, actor=actor, entry_id=entry))


@router.post("/jobs/delete", operation_id="deleteJobs", response_model=BulkResult, responses=responses(415))
@scope(Scope.OPERATE)
def delete_jobs(request: Request, body: FilterSelection) -> Response:
    """Delete all jobs that match and are not running."""
    queue, actor = queue_of(request), caller_of(request).name
    return _operate(queue, Operation.DELETE, body, lambda ids, entry: queue.delete_many(ids, actor=actor, entry_id=entry))


def _operate(
    queue: Queue,
    operation: Operation,
    selection: FilterSelection,
    apply: Callable[[Sequence[int], int | None], OperationResult],
) -> Response:
    if not selection.filter.strip():
        raise InvalidFilter(selection.filter, 0, "it is empty; id>0 matches every job")
    matching = queue.ids(allowed_jobs(operation, selection.filter), descending=False)
    chosen = matching[: selection.limit]
    result = BulkResult(
        dry_run=selection.dry_run,
        count=len(chosen),
        ids=[*chosen[:_NAMED]],
        refused=[],
        children=0,
        journal_id=None,
        more=len(matching) > len(chosen),
    )
    if not selection.dry_run:
        done: list[int] = []
        for start in range(0, len(chosen), _STEP):
            changes = apply([*chosen[start : start + _STEP]], result.journal_id)
            done += changes.done
            result.refused += refusals(changes.refused)
            result.children += changes.children
            result.journal_id = changes.entry_id or result.journal_id
        result.count, result.ids = len(done), done[:_NAMED]
        del result.refused[_NAMED:]
    return JsonResponse(result)
