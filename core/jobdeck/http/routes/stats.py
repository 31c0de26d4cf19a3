"""Figures: the counts and metrics of the queue, and groups of failures."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from ..access import scope
from ..documents.base import JsonResponse, by_state
from ..documents.metrics import ErrorGroupDocument, ErrorList, Stats
from ..routing import make_router, queue_of, responses
from ..tokens import Scope

router = make_router("figures")

Name = Annotated[str | None, Query(min_length=1, max_length=200)]


@router.get("/stats", operation_id="getStats", response_model=Stats, responses=responses())
@scope(Scope.READ)
def get_stats(
    request: Request,
    seconds: Annotated[
        float, Query(ge=10, le=90 * 86400, allow_inf_nan=False, description="Length of the range in seconds.")
    ] = 600.0,
    slices: Annotated[int, Query(ge=1, le=1000, description="Slices of it, about.")] = 60,
    queue: Name = None,
    kind: Name = None,
) -> Response:
    """Return counts by state, throughput, failures and percentiles over the last seconds."""
    served = queue_of(request)
    metrics = served.history.metrics(seconds=seconds, slices=slices, queue=queue, kind=kind)
    return JsonResponse(Stats.of(metrics, counts=by_state(served.count_states())))


@router.get("/errors", operation_id="listErrors", response_model=ErrorList, responses=responses())
@scope(Scope.READ)
def list_errors(
    request: Request, newest: Annotated[int, Query(ge=1, le=10_000, description="Failed attempts that are read.")] = 2000
) -> Response:
    """Group the newest failures by kind, error and line of code."""
    return JsonResponse(ErrorList(errors=[*map(ErrorGroupDocument.of, queue_of(request).history.errors(newest=newest))]))
