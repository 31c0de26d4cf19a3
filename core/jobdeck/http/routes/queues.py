"""Queues: list, pause, resume and limit them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ...queue import Queue
from ..access import caller_of, scope
from ..documents.base import JsonResponse
from ..documents.queues import LimitsDocument, QueueDocument, QueueList
from ..requests import QueueChange
from ..routing import make_router, queue_of, responses
from ..tokens import Scope

router = make_router("queues")

QueueName = Annotated[str, Path(min_length=1, max_length=200, description="The name of the queue.", examples=["mail"])]


@router.get("/queues", operation_id="listQueues", response_model=QueueList, responses=responses())
@scope(Scope.READ)
def list_queues(request: Request) -> Response:
    """List every queue that has jobs or limits, or is paused."""
    return JsonResponse(QueueList(queues=[*map(QueueDocument.of, queue_of(request).queue_stats())]))


@router.post("/queues/{name:name}/pause", operation_id="pauseQueue", response_model=QueueDocument, responses=responses())
@scope(Scope.OPERATE)
def pause_queue(request: Request, name: QueueName) -> Response:
    """Start no more jobs from the queue; running jobs continue."""
    queue = queue_of(request)
    queue.pause(name, actor=caller_of(request).name)
    return _document(queue, name, changed=True)


@router.post("/queues/{name:name}/resume", operation_id="resumeQueue", response_model=QueueDocument, responses=responses())
@scope(Scope.OPERATE)
def resume_queue(request: Request, name: QueueName) -> Response:
    """Start jobs from the queue again."""
    queue = queue_of(request)
    queue.resume(name, actor=caller_of(request).name)
    return _document(queue, name, changed=True)


@router.get("/queues/{name:name}", operation_id="getQueue", response_model=QueueDocument, responses=responses(404))
@scope(Scope.READ)
def get_queue(request: Request, name: QueueName) -> Response:
    """Return a queue."""
    return _document(queue_of(request), name)


@router.patch("/queues/{name:name}", operation_id="editQueue", response_model=QueueDocument, responses=responses(404, 415))
@scope(Scope.OPERATE)
def edit_queue(request: Request, name: QueueName, body: QueueChange) -> Response:
    """Pause, resume or limit a queue. It need not have jobs yet."""
    queue, actor = queue_of(request), caller_of(request).name
    with queue.transaction():
        if body.limits is not None:
            queue.limits.set(name, running=body.limits.running, rate=body.limits.rate, period=body.limits.period, actor=actor)
        if body.paused is not None:
            (queue.pause if body.paused else queue.resume)(name, actor=actor)
    return _document(queue, name, changed=True)


def _document(queue: Queue, name: str, *, changed: bool = False) -> Response:
    for stats in queue.queue_stats():
        if stats.info.name == name:
            return JsonResponse(QueueDocument.of(stats))
    if not changed:
        raise HTTPException(404, "No queue of that name has jobs or limits, or is paused.")
    nothing = QueueDocument(
        name=name,
        paused=False,
        paused_at=None,
        counts={},
        limits=LimitsDocument(running=None, rate=None, period=None),
        oldest_wait=None,
        throughput=0.0,
        threads=0,
        trend="empty",
        empty_in=None,
    )
    return JsonResponse(nothing)
