"""The metrics of the queue for Prometheus."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.responses import Response

from ...prometheus.collector import CONTENT_TYPE, QueueCollector
from ..access import scope
from ..problems import problem
from ..routing import make_router, queue_of, responses
from ..tokens import Scope

router = make_router("figures", prefix="")

_TEXT: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/plain": {"schema": {"type": "string"}, "example": 'jobdeck_jobs{queue="mail",state="pending"} 12\n'}},
        "description": "The metrics in Prometheus' text format, version 0.0.4.",
    }
}


@router.get("/metrics", operation_id="getMetrics", response_class=Response, responses={**_TEXT, **responses(404)})
@scope(Scope.READ)
def get_metrics(request: Request) -> Response:
    """Return the counters and histograms of the queue for Prometheus."""
    try:
        collector = QueueCollector(queue_of(request))
    except ImportError:
        detail = "The server lacks the library for metrics; install it there with: pip install 'jobdeck[metrics]'."
        return problem(404, "Metrics not installed", detail)
    return Response(collector.text(), headers={"Content-Type": CONTENT_TYPE})
