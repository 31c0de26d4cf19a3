"""Jobs: enqueue, list, read, wait for, edit, cancel, retry and delete them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Header, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ...model.environment import restore_arguments
from ...model.errors import JobNotFound
from ...model.jobs import PageEnd
from ...model.states import FINAL
from ...queue import Queue
from .. import cursor as cursors
from ..access import allow_kind, caller_of, scope
from ..documents.base import JsonResponse
from ..documents.jobs import (
    AttemptDocument,
    AttemptList,
    DependenciesDocument,
    ExplanationDocument,
    JobDocument,
    JobPage,
    StackDocument,
)
from ..problems import problem
from ..requests import JobChange, JobInput
from ..routing import make_router, queue_of, responses, watcher_of
from ..tokens import Scope
from ..watcher import MAX_STREAMS, Wait, Watcher

router = make_router("jobs")

JobId = Annotated[int, Path(ge=1, lt=2**63, description="The id of the job.", examples=[42])]
_SORTS = ("id", "state", "kind", "queue", "priority", "attempt", "age", "due", "started", "finished")
_LONGEST_WAIT = 60.0
WaitCondition = Callable[[Queue], bool]
Seconds = Annotated[
    float | None, Query(ge=0, le=_LONGEST_WAIT, allow_inf_nan=False, description="Seconds to wait until it is finished.")
]


@router.post(
    "/jobs",
    operation_id="enqueueJob",
    status_code=201,
    response_model=JobDocument,
    responses={
        200: {"model": JobDocument, "description": "A job already holds the key; nothing was enqueued."},
        201: {"description": "Enqueued; it is durable.", "headers": {"Location": {"schema": {"type": "string"}}}},
        **responses(404, 409, 415),
    },
)
@scope(Scope.ENQUEUE)
def enqueue_job(
    request: Request,
    body: JobInput,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=500,
            pattern=r"^[!-~]([ -~]*[!-~])?$",
            description="A key that makes it safe to send the request again: no other job is enqueued, even after this one has"
            " finished, until it is pruned.",
        ),
    ] = None,
) -> Response:
    """Enqueue a job."""
    allow_kind(request, body.kind)
    queue = queue_of(request)
    options = body.options()
    if idempotency_key is not None:
        if "unique" in options:
            return problem(422, "Two keys", "Give either the header Idempotency-Key or a unique key.")
        options |= {"unique": idempotency_key, "unique_until": FINAL, "on_conflict": "return"}
    draft = queue.new_job(body.kind, body.args, **options)
    (enqueued,) = queue.enqueue_new([draft])
    job = enqueued.job
    if idempotency_key is not None and (job.kind, job.args_json) != (draft.kind, draft.args_json):
        detail = f"Job {job.id} was enqueued with this Idempotency-Key and with another kind or other arguments."
        return problem(422, "Idempotency-Key reused", detail, holder=job.id)
    location = {"Location": f"/api/v1/jobs/{job.id}"}
    return JsonResponse(JobDocument.of(job), 201 if enqueued.new else 200, location)


@router.get(
    "/jobs",
    operation_id="listJobs",
    response_model=JobPage,
    responses={
        200: {"description": "A page of jobs.", "headers": {"Link": {"schema": {"type": "string"}}}},
        **responses(),
    },
)
@scope(Scope.READ)
def list_jobs(
    request: Request,
    filter: Annotated[
        str, Query(max_length=10_000, description="A filter, as in `jobdeck list`.", examples=["state:failed queue:mail"])
    ] = "",
    sort: Annotated[
        str,
        Query(
            pattern=f"^-?({'|'.join(_SORTS)})$",
            description="What to sort by; with `-` before it, largest first.",
            examples=["-priority"],
        ),
    ] = "-id",
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    cursor: Annotated[str | None, Query(max_length=2000, description="`next` of the page before.")] = None,
) -> Response:
    """List jobs, page by page. A job that comes or goes meanwhile shifts no other to another page."""
    name, descending = sort.removeprefix("-"), sort.startswith("-")
    after = None if cursor is None else cursors.decode(cursor, sort)
    found = queue_of(request).list(filter, limit=limit + 1, sort=name, descending=descending, after=after)
    page = found[:limit]
    following = cursors.encode(sort, PageEnd.of(page[-1], name)) if len(found) > limit else None
    headers = {}
    if following is not None:
        query = {"filter": filter, "sort": sort, "limit": limit, "cursor": following}
        headers["Link"] = f'</api/v1/jobs?{urlencode(query)}>; rel="next"'
    return JsonResponse(JobPage.model_construct(jobs=[*map(JobDocument.of, page)], next=following), headers=headers)


@router.get("/jobs/{job_id:id}", operation_id="getJob", response_model=JobDocument, responses=responses(404))
@scope(Scope.READ)
async def get_job(request: Request, job_id: JobId, wait: Seconds = None) -> Response:
    """Return a job; with `wait`, once it is finished, or as it is after that many seconds."""
    queue = queue_of(request)
    job = await run_in_threadpool(queue.get, job_id)
    if wait and job.state not in FINAL:
        await wait_until(watcher_of(request), lambda queue: _is_finished(queue, job_id), wait)
        job = await run_in_threadpool(queue.get, job_id)
    return JsonResponse(JobDocument.of(job))


async def wait_until(watcher: Watcher, holds: WaitCondition, seconds: float) -> None:
    """Wait without a thread. Raises `HTTPException` with 429 if too many others wait."""
    refuse_crowd(watcher)
    await Wait(watcher, holds).until(seconds)


def refuse_crowd(watcher: Watcher) -> None:
    """Raise `HTTPException` with 429 if too many streams and long polls are open."""
    if watcher.open >= MAX_STREAMS:
        raise HTTPException(429, "Too many streams are open; try again.", {"Retry-After": "5"})


def _is_finished(queue: Queue, job_id: int) -> bool:
    try:
        return queue.get(job_id).state in FINAL
    except JobNotFound:  # the next read reports that
        return True


@router.patch("/jobs/{job_id:id}", operation_id="editJob", response_model=JobDocument, responses=responses(404, 409, 415))
@scope(Scope.OPERATE)
def edit_job(request: Request, job_id: JobId, body: JobChange) -> Response:
    """Change a queued job."""
    queue = queue_of(request)
    args = body.args
    if args is not None:
        before = queue.get(job_id)
        allow_kind(request, before.kind)
        args = restore_arguments(args, before.args)  # masks that were read stand for the secrets
    job = queue.edit(job_id, args, actor=caller_of(request).name, **body.options())
    return JsonResponse(JobDocument.of(job))


@router.delete("/jobs/{job_id:id}", operation_id="deleteJob", status_code=204, responses=responses(404, 409))
@scope(Scope.OPERATE)
def delete_job(request: Request, job_id: JobId) -> Response:
    """Delete a job that is not running, with its attempts and log."""
    queue_of(request).delete(job_id, actor=caller_of(request).name)
    return Response(status_code=204)


@router.post("/jobs/{job_id:id}/cancel", operation_id="cancelJob", response_model=JobDocument, responses=responses(404, 409))
@scope(Scope.OPERATE)
def cancel_job(request: Request, job_id: JobId) -> Response:
    """Cancel a queued job immediately; ask a running one to stop, and return it with `cancelling`."""
    return JsonResponse(JobDocument.of(queue_of(request).cancel(job_id, actor=caller_of(request).name)))


@router.post("/jobs/{job_id:id}/retry", operation_id="retryJob", response_model=JobDocument, responses=responses(404, 409))
@scope(Scope.OPERATE)
def retry_job(request: Request, job_id: JobId) -> Response:
    """Run a finished job again, or a delayed one now."""
    return JsonResponse(JobDocument.of(queue_of(request).retry(job_id, actor=caller_of(request).name)))


@router.get("/jobs/{job_id:id}/attempts", operation_id="listAttempts", response_model=AttemptList, responses=responses(404))
@scope(Scope.READ)
def list_attempts(request: Request, job_id: JobId) -> Response:
    """List the attempts of a job, oldest first."""
    attempts = queue_of(request).attempts(job_id)
    return JsonResponse(AttemptList.model_construct(attempts=[*map(AttemptDocument.of, attempts)]))


@router.get("/jobs/{job_id:id}/why", operation_id="explainJob", response_model=ExplanationDocument, responses=responses(404))
@scope(Scope.READ)
def explain_job(request: Request, job_id: JobId) -> Response:
    """Explain why a job is not running, and when it may start."""
    return JsonResponse(ExplanationDocument.of(queue_of(request).explain(job_id)))


@router.get(
    "/jobs/{job_id:id}/related", operation_id="listRelatedJobs", response_model=DependenciesDocument, responses=responses(404)
)
@scope(Scope.READ)
def list_related_jobs(request: Request, job_id: JobId) -> Response:
    """List the jobs that a job came after, and those that came after it."""
    return JsonResponse(DependenciesDocument.of(queue_of(request).dependencies(job_id)))


@router.get("/jobs/{job_id:id}/stack", operation_id="getStack", response_model=StackDocument, responses=responses(404, 409))
@scope(Scope.READ)
def get_stack(request: Request, job_id: JobId) -> Response:
    """Return where the code of a running job is now."""
    return JsonResponse(StackDocument.of(queue_of(request).stack(job_id)))
