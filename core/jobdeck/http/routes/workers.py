"""Workers and kinds: what runs jobs, and what can be enqueued."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request
from starlette.responses import Response

from ..access import scope
from ..documents.base import JsonResponse
from ..documents.queues import KindDocument, KindList, WorkerDocument, WorkerList
from ..routing import make_router, queue_of, responses
from ..tokens import Scope

router = make_router("workers and kinds")


@router.get("/workers", operation_id="listWorkers", response_model=WorkerList, responses=responses())
@scope(Scope.READ)
def list_workers(request: Request) -> Response:
    """List the registered worker processes, oldest first."""
    return JsonResponse(WorkerList(workers=[*map(WorkerDocument.of, queue_of(request).workers.list())]))


@router.post(
    "/workers/{worker_id}/drain", operation_id="drainWorker", response_model=WorkerDocument, responses=responses(404, 504)
)
@scope(Scope.OPERATE)
def drain_worker(
    request: Request, worker_id: Annotated[str, Path(min_length=1, max_length=500, examples=["web-1:4711:k3f9"])]
) -> Response:
    """Let a worker on the server's machine finish its running jobs and claim no more."""
    return JsonResponse(WorkerDocument.of(queue_of(request).workers.drain(worker_id)))


@router.get("/kinds", operation_id="listKinds", response_model=KindList, responses=responses())
@scope(Scope.READ)
def list_kinds(request: Request) -> Response:
    """List the kinds that this server knows, with the JSON Schema of their arguments."""
    queue = queue_of(request)
    return JsonResponse(
        KindList(kinds=[KindDocument.of(kind, arguments=queue.kinds.argument_schema(kind.name)) for kind in queue.kinds.list()])
    )
