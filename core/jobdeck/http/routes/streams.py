"""Logs and events, as documents or as streams of server-sent events that can be resumed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, TypeVar
from urllib.parse import quote, unquote

from fastapi import Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from ...model.events import MAX_EVENTS, Event, EventType
from ...model.jobs import LogLine
from ...model.states import FINAL, State
from ..access import scope
from ..documents.base import JsonResponse
from ..documents.jobs import LogLineDocument, LogPage
from ..documents.metrics import EventDocument
from ..problems import dump
from ..routing import make_router, queue_of, responses, watcher_of
from ..tokens import Scope
from ..watcher import Channel, Gap, LogTail
from .jobs import JobId, refuse_crowd

router = make_router("streams")
T = TypeVar("T")

_KEEP_ALIVE = 15.0
"""Seconds after which a silent stream sends a comment, so that proxies keep it open."""
_OVERLAP = 5.0
"""Seconds that are read again if a stream is resumed whose last event is not remembered."""
_RETRY = b"retry: 2000\n\n"
"""Tells clients to connect again after two seconds if the stream breaks off."""
_STREAM = {"text/event-stream": {"schema": {"type": "string"}}}
LastEventId = Annotated[
    str | None, Header(max_length=1000, description="The id of the last event that was received; the stream goes on after it.")
]


@router.get(
    "/jobs/{job_id:id}/logs",
    operation_id="readLog",
    response_model=LogPage,
    responses={
        200: {"description": "The lines; with `follow`, one event for each.", "content": _STREAM},
        204: {"description": "A followed log has no more lines after Last-Event-ID, and the job is finished."},
        **responses(404),
    },
)
@scope(Scope.READ)
async def read_log(
    request: Request,
    job_id: JobId,
    attempt: Annotated[int | None, Query(ge=1, lt=2**31, description="Of this attempt only.")] = None,
    after: Annotated[int, Query(ge=0, lt=2**63, description="Lines with a larger id only.")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Lines at most, the newest.")] = 1000,
    follow: Annotated[bool, Query(description="Stream the log as it grows, until the job is finished.")] = False,
    last_event_id: LastEventId = None,
) -> Response:
    """Return a job's log, or follow it. The event `end` with the job's state is the last one of a stream."""
    queue = queue_of(request)
    if not follow:
        lines = await run_in_threadpool(lambda: queue.logs(job_id, attempt=attempt, after=after, limit=limit))
        return JsonResponse(LogPage.model_construct(lines=[*map(LogLineDocument.of, lines)]))
    refuse_crowd(watcher_of(request))
    if last_event_id is not None:
        after = _line_id(last_event_id)
        job = await run_in_threadpool(queue.get, job_id)
        if job.state in FINAL and not await run_in_threadpool(lambda: queue.logs(job_id, after=after, limit=1)):
            return Response(status_code=204)  # tells a browser to stop
    else:
        await run_in_threadpool(queue.get, job_id)
    tail = LogTail(watcher_of(request), job_id, after, attempt)
    watcher_of(request).add(tail)
    return _stream(_log_events(tail, request))


def _line_id(last_event_id: str) -> int:
    if not last_event_id.isascii() or not last_event_id.isdecimal() or len(last_event_id) > 18:
        raise HTTPException(400, "Last-Event-ID is not of this stream.")
    return int(last_event_id)


async def _log_events(tail: LogTail, request: Request) -> AsyncIterator[bytes]:
    try:
        yield _RETRY
        async for item in _items(tail.channel):
            if isinstance(item, LogLine):
                yield _event(str(item.id), "line", JsonResponse(LogLineDocument.of(item)).body)
            elif isinstance(item, State):
                yield _event(None, "end", dump({"state": str(item)}))
            else:
                yield item
    finally:
        watcher_of(request).remove(tail)
        tail.channel.close()


@router.get(
    "/events",
    operation_id="followEvents",
    response_class=Response,
    responses={200: {"description": "One event for each thing that happens.", "content": _STREAM}, **responses()},
)
@scope(Scope.READ)
async def follow_events(
    request: Request,
    type: Annotated[list[EventType] | None, Query(description="Of these types only.")] = None,
    queue: Annotated[str | None, Query(max_length=200, description="Of this queue only.")] = None,
    kind: Annotated[str | None, Query(max_length=200, description="Of this kind only.")] = None,
    job_id: Annotated[int | None, Query(ge=1, lt=2**63, description="Of this job only.")] = None,
    last_event_id: LastEventId = None,
) -> Response:
    """Stream what happens to jobs, and what people do.

    With Last-Event-ID the stream goes on after that event; if it was not remembered, events of the five seconds before it may
    come again: their ids are the same.
    """
    hub = watcher_of(request).events
    refuse_crowd(watcher_of(request))
    types = frozenset(type or ())

    def wanted(event: Event) -> bool:
        return (
            (not types or event.type in types)
            and (queue is None or event.queue == queue)
            and (kind is None or event.kind == kind)
            and (job_id is None or event.job_id == job_id)
        )

    at, key = (None, "") if last_event_id is None else _place(last_event_id)
    try:
        channel = await hub.subscribe()
    except TimeoutError:
        raise HTTPException(503, "The database does not answer.", {"Retry-After": "10"}) from None
    missed: list[Event] = []
    if at is not None:
        known = hub.since(key)
        if known is None:
            history = queue_of(request).history
            start = at - _OVERLAP
            try:
                read = await run_in_threadpool(lambda: history.events(after=start, limit=MAX_EVENTS))
            except BaseException:
                hub.unsubscribe(channel)
                raise
            known = [event for event in read if event.key != key]
        missed = known

    async def events() -> AsyncIterator[bytes]:
        sent = {event.key for event in missed}
        try:
            yield _RETRY
            for event in filter(wanted, missed):
                yield _of(event)
            async for item in _items(channel):
                if isinstance(item, Gap):
                    yield _event(None, "gap", dump({"detail": "Events came faster than they could be read; some are missing."}))
                elif isinstance(item, bytes):
                    yield item
                elif item.key not in sent and wanted(item):
                    yield _of(item)
        finally:
            hub.unsubscribe(channel)

    return _stream(events())


def _place(last_event_id: str) -> tuple[float, str]:
    at, _, key = last_event_id.partition("/")
    try:
        return float(at) if 0 <= float(at) < 1e12 else 0.0, unquote(key)
    except ValueError:
        raise HTTPException(400, "Last-Event-ID is not of this stream.") from None


def _of(event: Event) -> bytes:
    return _event(f"{event.at:.6f}/{quote(event.key, safe=':')}", str(event.type), JsonResponse(EventDocument.of(event)).body)


def _event(id: str | None, name: str, data: bytes | memoryview) -> bytes:
    """Return a server-sent event. `data` is JSON, so it has no line break."""
    head = b"" if id is None else b"id: %s\n" % id.encode()
    return b"%sevent: %s\ndata: %s\n\n" % (head, name.encode(), bytes(data))


async def _items(channel: Channel[T]) -> AsyncIterator[T | bytes]:
    """Yield what the channel brings, and comments while it brings nothing."""
    while (items := await channel.take(_KEEP_ALIVE)) is not None:
        if not items:
            yield b": keep-alive\n\n"
        for item in items:
            yield item


def _stream(events: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
