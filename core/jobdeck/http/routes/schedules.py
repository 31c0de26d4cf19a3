"""Schedules: list, preview, add, edit, pause, resume, run and delete them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Path, Query, Request
from starlette.responses import Response

from ...model.environment import restore_arguments
from ..access import allow_kind, caller_of, scope
from ..documents.base import JsonResponse
from ..documents.jobs import JobDocument
from ..documents.schedules import ScheduleDocument, ScheduledRunDocument, ScheduleHistory, ScheduleList, SchedulePreview
from ..requests import ScheduleChange, ScheduleInput
from ..routing import make_router, queue_of, responses
from ..tokens import Scope

router = make_router("schedules")

ScheduleName = Annotated[str, Path(min_length=1, max_length=100, description="The name of the schedule.", examples=["nightly"])]


@router.get("/schedules", operation_id="listSchedules", response_model=ScheduleList, responses=responses())
@scope(Scope.READ)
def list_schedules(request: Request) -> Response:
    """List all schedules."""
    return JsonResponse(ScheduleList(schedules=[*map(ScheduleDocument.of, queue_of(request).schedules.list())]))


@router.post(
    "/schedules",
    operation_id="addSchedule",
    status_code=201,
    response_model=ScheduleDocument,
    responses={
        201: {"description": "Added.", "headers": {"Location": {"schema": {"type": "string"}}}},
        **responses(409, 415),
    },
)
@scope(Scope.OPERATE)
def add_schedule(request: Request, body: ScheduleInput) -> Response:
    """Add a schedule that enqueues a job at every tick."""
    allow_kind(request, body.kind)
    options = body.model_dump(include=body.model_fields_set - {"name", "cron", "kind", "args"})
    schedule = queue_of(request).schedules.add(
        body.name, body.cron, body.kind, body.args, actor=caller_of(request).name, **options
    )
    location = {"Location": f"/api/v1/schedules/{quote(schedule.name, safe='')}"}
    return JsonResponse(ScheduleDocument.of(schedule), 201, location)


@router.get("/schedule-preview", operation_id="previewSchedule", response_model=SchedulePreview, responses=responses())
@scope(Scope.READ)
def preview_schedule(
    request: Request,
    cron: Annotated[str, Query(min_length=1, max_length=1000, examples=["0 3 * * *"])],
    timezone: Annotated[str, Query(max_length=100, examples=["Europe/Berlin"])] = "UTC",
    n: Annotated[int, Query(ge=1, le=100, description="The number of ticks.")] = 5,
) -> Response:
    """Describe a cron expression, and list its next ticks."""
    schedules = queue_of(request).schedules
    ticks = schedules.preview(cron, timezone, n)
    return JsonResponse(SchedulePreview(description=schedules.explain(cron), ticks=list(ticks)))


@router.post(
    "/schedules/{name:name}/pause", operation_id="pauseSchedule", response_model=ScheduleDocument, responses=responses(404)
)
@scope(Scope.OPERATE)
def pause_schedule(request: Request, name: ScheduleName) -> Response:
    """Enqueue no more jobs at its ticks."""
    schedules = queue_of(request).schedules
    schedules.pause(name, actor=caller_of(request).name)
    return JsonResponse(ScheduleDocument.of(schedules.get(name)))


@router.post(
    "/schedules/{name:name}/resume", operation_id="resumeSchedule", response_model=ScheduleDocument, responses=responses(404)
)
@scope(Scope.OPERATE)
def resume_schedule(request: Request, name: ScheduleName) -> Response:
    """Resume a schedule with its next tick."""
    schedules = queue_of(request).schedules
    schedules.resume(name, actor=caller_of(request).name)
    return JsonResponse(ScheduleDocument.of(schedules.get(name)))


@router.post(
    "/schedules/{name:name}/run",
    operation_id="runSchedule",
    status_code=201,
    response_model=JobDocument,
    responses={
        201: {"description": "Enqueued.", "headers": {"Location": {"schema": {"type": "string"}}}},
        **responses(404),
    },
)
@scope(Scope.OPERATE)
def run_schedule(request: Request, name: ScheduleName) -> Response:
    """Enqueue its job now, and keep its ticks."""
    job = queue_of(request).schedules.run(name)
    return JsonResponse(JobDocument.of(job), 201, {"Location": f"/api/v1/jobs/{job.id}"})


@router.get(
    "/schedules/{name:name}/jobs", operation_id="listScheduledJobs", response_model=ScheduleHistory, responses=responses(404)
)
@scope(Scope.READ)
def list_scheduled_jobs(request: Request, name: ScheduleName, limit: Annotated[int, Query(ge=1, le=1000)] = 20) -> Response:
    """List the newest jobs of a schedule."""
    schedules = queue_of(request).schedules
    schedules.get(name)
    return JsonResponse(ScheduleHistory(jobs=[*map(ScheduledRunDocument.of, schedules.history(name, limit))]))


@router.get("/schedules/{name:name}", operation_id="getSchedule", response_model=ScheduleDocument, responses=responses(404))
@scope(Scope.READ)
def get_schedule(request: Request, name: ScheduleName) -> Response:
    """Return a schedule."""
    return JsonResponse(ScheduleDocument.of(queue_of(request).schedules.get(name)))


@router.patch(
    "/schedules/{name:name}", operation_id="editSchedule", response_model=ScheduleDocument, responses=responses(404, 415)
)
@scope(Scope.OPERATE)
def edit_schedule(request: Request, name: ScheduleName, body: ScheduleChange) -> Response:
    """Change a schedule; a changed time applies from now on."""
    queue, actor = queue_of(request), caller_of(request).name
    schedules = queue.schedules
    options = body.model_dump(include=body.model_fields_set - {"paused"}, exclude_none=True)
    with queue.transaction():
        before = schedules.get(name)
        if body.kind is not None or body.args is not None:
            allow_kind(request, before.kind)
            allow_kind(request, body.kind or before.kind)
        if body.args is not None:
            options["args"] = restore_arguments(body.args, before.args)  # masks that were read stand for the secrets
        if options:
            schedules.edit(name, actor=actor, **options)
        if body.paused is not None:
            (schedules.pause if body.paused else schedules.resume)(name, actor=actor)
        after = schedules.get(name)
    return JsonResponse(ScheduleDocument.of(after))


@router.delete("/schedules/{name:name}", operation_id="deleteSchedule", status_code=204, responses=responses(404))
@scope(Scope.OPERATE)
def delete_schedule(request: Request, name: ScheduleName) -> Response:
    """Delete a schedule, and keep the jobs that it enqueued."""
    queue_of(request).schedules.delete(name, actor=caller_of(request).name)
    return Response(status_code=204)
