"""Health: of the process, of its store, and of the processing of jobs."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from ...model.errors import JobdeckError
from ...model.health import unhealthy_reasons
from ..access import scope
from ..documents.base import JsonResponse
from ..documents.queues import Health
from ..problems import problem
from ..routing import make_router, queue_of, responses
from ..tokens import Scope

router = make_router("health", prefix="")

_READY_WITHIN = 5.0
"""Seconds within which the store must answer."""
_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "It is."}
}


@router.get("/healthz", operation_id="isAlive", response_class=Response, responses={**_TEXT, **responses()})
async def is_alive() -> Response:
    """Report that the process serves requests. Needs no token."""
    return Response("ok\n", media_type="text/plain")


@router.get("/readyz", operation_id="isReady", response_class=Response, responses={**_TEXT, **responses()})
async def is_ready(request: Request) -> Response:
    """Report whether the store answers, and the server is not shutting down. Needs no token."""
    if request.app.state.server.draining:
        return problem(503, "Shutting down", "The server shuts down.", headers={"Retry-After": "10"})
    queue = queue_of(request)
    try:
        async with asyncio.timeout(_READY_WITHIN):
            await run_in_threadpool(lambda: queue.list(limit=1))
    except TimeoutError:
        return problem(503, "Store busy", "The database does not answer.", headers={"Retry-After": "10"})
    except JobdeckError:
        return problem(503, "Store unavailable", "The database cannot be used.", headers={"Retry-After": "10"})
    return Response("ok\n", media_type="text/plain")


@router.get("/health", operation_id="getHealth", response_model=Health, responses=responses())
@scope(Scope.READ)
def get_health(request: Request) -> Response:
    """Report whether jobs are being processed: 200 if so, 503 with the reasons if not."""
    overview = queue_of(request).overview(seconds=60, slices=6)
    reasons = unhealthy_reasons(overview)
    document = Health.of(overview, reasons=reasons)
    if not reasons:
        return JsonResponse(document)
    details = document.model_dump(mode="json")
    return problem(503, "Jobs are not being processed", " ".join(reasons), headers={"Retry-After": "10"}, **details)
