"""Documents of queues, workers and kinds, and of their health."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field

from ...model.forecast import QueueStats, forecast
from ...model.jobs import Kind
from ...model.overview import Overview, WorkerInfo
from .base import Document, Time, by_state


class LimitsDocument(Document):
    """The limits of a queue; null means no limit."""

    running: int | None = Field(description="Jobs that may run at once.")
    rate: int | None = Field(description="Jobs that may start within any `period` seconds.")
    period: float | None


class QueueDocument(Document):
    """A queue, with its last five minutes."""

    name: str
    paused: bool
    paused_at: Time | None
    counts: dict[str, int] = Field(description="The number of jobs by state.")
    limits: LimitsDocument
    oldest_wait: float | None = Field(description="Seconds that the oldest ready job has waited.")
    throughput: float = Field(description="Completed jobs a second.")
    threads: int = Field(description="Threads that serve it.")
    trend: str
    empty_in: float | None = Field(description="Estimated seconds until it is empty.")

    @classmethod
    def of(cls, stats: QueueStats, /, **members: Any) -> Self:
        """Return the document of a queue."""
        expected = forecast(stats)
        return super().of(
            stats.info,
            counts=by_state(stats.info.counts),
            limits=LimitsDocument.of(stats.info.limits),
            oldest_wait=stats.oldest_wait,
            throughput=round(stats.total.throughput, 6),
            threads=stats.threads,
            trend=str(expected.trend),
            empty_in=expected.empty_in,
            **members,
        )


class QueueList(Document):
    """Every queue, by name."""

    queues: list[QueueDocument]


class WorkerDocument(Document):
    """A worker process."""

    id: str
    host: str
    pid: int
    threads: int
    processes: int
    stuck: int
    running: int
    queues: list[str] = Field(description="Empty means all.")
    kinds: list[str]
    started_at: Time
    heartbeat_at: Time
    alive: bool
    draining: bool

    @classmethod
    def of(cls, worker: WorkerInfo, /, **members: Any) -> Self:
        """Return the document of a worker."""
        return super().of(worker, queues=list(worker.queues), kinds=list(worker.kinds), **members)


class WorkerList(Document):
    """The registered workers, oldest first."""

    workers: list[WorkerDocument]


class KindDocument(Document):
    """A kind that can be enqueued."""

    kind: str
    description: str
    queue: str
    priority: int
    max_attempts: int | None
    timeout: float | None
    isolate: bool
    concurrency: int | None
    arguments: dict[str, Any] = Field(description="JSON Schema (draft 2020-12) of its arguments.")

    @classmethod
    def of(cls, kind: Kind, /, **members: Any) -> Self:
        """Return the document of a kind; `arguments` is the schema of its arguments."""
        return super().of(kind, kind=kind.name, description=kind.doc, **members)


class KindList(Document):
    """The kinds that this server knows, by name."""

    kinds: list[KindDocument]


class Health(Document):
    """The health of a queue: it is healthy if its jobs are being processed."""

    healthy: bool
    reasons: list[str] = Field(description="Why not, one sentence each.")
    at: Time
    workers: int
    stale_workers: int
    pending: int
    running: int

    @classmethod
    def of(cls, overview: Overview, /, **members: Any) -> Self:
        """Return the document of the health of a queue; `reasons` says why it is not healthy."""
        return super().of(
            overview,
            healthy=not members["reasons"],
            workers=sum(worker.alive for worker in overview.workers),
            stale_workers=sum(not worker.alive for worker in overview.workers),
            pending=sum(each.pending for each in overview.queues),
            running=len(overview.running),
            **members,
        )
