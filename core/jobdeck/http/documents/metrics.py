"""Documents of metrics, errors and events."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field

from ...model.events import Event
from ...model.metrics import ErrorGroup, Metrics
from ...model.overview import TimeSlice
from .base import Document, Time


class LatencyDocument(Document):
    """Percentiles in seconds."""

    p50: float | None
    p95: float | None
    p99: float | None
    count: int


class SliceDocument(Document):
    """The metrics of a time range."""

    at: Time
    seconds: float
    started: int
    completed: int
    failed: int
    retried: int
    crashed: int
    cancelled: int
    throughput: float
    failure_rate: float | None
    run: LatencyDocument
    wait: LatencyDocument

    @classmethod
    def of(cls, each: TimeSlice, /, **members: Any) -> Self:
        """Return the document of a time slice."""
        return super().of(each, run=LatencyDocument.of(each.run), wait=LatencyDocument.of(each.wait), **members)


class Stats(Document):
    """The number of jobs, and the metrics of a time range."""

    at: Time
    counts: dict[str, int] = Field(description="The number of jobs by state.")
    pending: int
    oldest_wait: float | None
    total: SliceDocument
    slices: list[SliceDocument]

    @classmethod
    def of(cls, metrics: Metrics, /, **members: Any) -> Self:
        """Return the document of metrics; `counts` is the number of jobs by state."""
        slices = [*map(SliceDocument.of, metrics.slices)]
        return super().of(metrics, total=SliceDocument.of(metrics.total), slices=slices, **members)


class ErrorGroupDocument(Document):
    """Failed attempts with the same kind, error and place."""

    kind: str
    error_type: str
    place: str = Field(description="Where it was raised: `file:line function`.")
    count: int
    first_seen: Time
    last_seen: Time
    message: str
    job_ids: list[int]

    @classmethod
    def of(cls, group: ErrorGroup, /, **members: Any) -> Self:
        """Return the document of a group of failures."""
        return super().of(group, job_ids=list(group.job_ids), **members)


class ErrorList(Document):
    """Groups of failures, the largest first."""

    errors: list[ErrorGroupDocument]


class EventDocument(Document):
    """Something that happened to a job, or that a person or program did."""

    at: Time
    event: str
    job_id: int | None
    kind: str | None
    queue: str | None
    worker: str | None
    attempt: int | None
    took: float | None
    text: str | None
    actor: str | None
    key: str

    @classmethod
    def of(cls, event: Event, /, **members: Any) -> Self:
        """Return the document of an event."""
        return super().of(
            event,
            event=str(event.type),
            kind=event.kind or None,
            queue=event.queue or None,
            attempt=event.number,
            took=None if event.took is None else round(event.took, 6),
            text=event.text or None,
            **members,
        )
