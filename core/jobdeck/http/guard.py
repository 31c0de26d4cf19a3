"""Guards every request, before and around the resources: limits, access, failures, and headers of the response."""

from __future__ import annotations

import asyncio
import time
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..logs import get_logger
from ..model.errors import JobdeckError
from ..model.trace_context import join_trace
from ..tracing.carried import carry_trace
from .access import AccessPolicy, Denied
from .calls.all import CALLS
from .problems import problem, problem_of
from .tokens import Scope as TokenScope
from .watcher import Watcher

logger = get_logger("jobdeck.http")

BULK_BYTES = 32 * 1024 * 1024
"""The largest body of a request that enqueues many jobs."""
_BODY_BYTES = 1024 * 1024
_BODY_SECONDS = 30.0
"""Seconds within which a body must arrive, and one more for each `_BYTES_PER_SECOND` of it."""
_BYTES_PER_SECOND = 16 * 1024
_ALL_BODIES_BYTES = 4 * BULK_BYTES
"""The bytes of all bodies that are held at once; more are asked to come back."""
_DISCARDED_BYTES = 2 * BULK_BYTES
_DISCARD_SECONDS = 3.0
_REQUESTS = 500
"""Requests in progress at most, without streams and those that wait for their client; more are asked to come back."""
_API = "/api/"
_INSPECTION = ("/health", "/metrics")
"""Paths outside of the API that hold something of the queue."""
_CALLS = f"{_API}v1/calls/"
_MANY = ("/api/v1/jobs:bulk", "/api/v1/batches", *(_CALLS + name for name in ("new_jobs", "enqueue_new", "batches.enqueue")))
_READING = frozenset(_CALLS + each.name for each in CALLS.values() if each.scope is TokenScope.READ)
"""Calls that change nothing, though each is a POST."""
_OPEN = ("/api/v1/openapi.json", "/api/v1/docs", "/healthz", "/readyz")
"""Paths that need no token: they hold nothing of the queue."""
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


@dataclass
class ServerState:
    """The state that the server and its requests share."""

    draining: bool = False
    """`True` while the server shuts down: every response asks the client to close its connection."""
    in_progress: int = field(default=0)
    """The number of requests in progress, with streams and long polls."""
    clients: int = field(default=0)
    """The number of these that wait for their client, to send more of a body or to read more of the response."""
    body_bytes: int = field(default=0)
    """The bytes of the bodies that are held."""


class RequestGuard:
    """Wraps the application. Nothing that it wraps can answer with a traceback, or without a status."""

    def __init__(self, app: ASGIApp, policy: AccessPolicy, state: ServerState, max_args_bytes: int, watcher: Watcher) -> None:
        self._app = app
        self._policy = policy
        self._state = state
        self._watcher = watcher
        self._body_bytes = max(_BODY_BYTES, 2 * max_args_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        body = _LimitedBody(self._state, receive, self._limit(scope["path"]), Headers(scope=scope))
        exchange = _Exchange(self._state, body, send)
        self._state.in_progress += 1
        try:
            await self._serve(scope, body, exchange)
        finally:
            self._state.in_progress -= 1
            self._state.body_bytes -= body.held
            self._log(scope, exchange.status, time.monotonic() - started)

    @property
    def open_streams(self) -> int:
        """The number of open streams and long polls."""
        return self._watcher.open

    def end_streams(self) -> None:
        """End all streams and long polls: the server shuts down."""
        self._watcher.end_streams()

    async def _serve(self, scope: Scope, body: _LimitedBody, exchange: _Exchange) -> None:
        headers = Headers(scope=scope)
        try:
            refusal = self._refuse(scope, headers)
            if refusal is None:
                with carry_trace(_trace_of(headers)):
                    await self._app(scope, body, exchange)
                return
        except Denied as denied:
            refusal = denied_response(denied)
        except JobdeckError as error:
            refusal = problem_of(error)
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            if exchange.status is not None:
                return
            refusal = internal_error()
        await refusal(scope, body, exchange)

    def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        """Return the response that refuses the request; `None` if it is admitted. Raises `Denied`, `TokenFileRefused`."""
        path: str = scope["path"]
        self._policy.check_origin(scope["method"], headers)
        if (path.startswith(_API) or path in _INSPECTION) and path not in _OPEN:
            scope["jobdeck.caller"] = self._policy.authenticate(headers)
            if self._policy.readonly and not _only_reads(scope):
                return problem(403, "Read-only", "This server was started with --readonly.")
        if self._state.in_progress - self._watcher.open - self._state.clients > _REQUESTS:
            return problem(
                429, "Too many requests", "Too many requests are in progress; try again.", headers={"Retry-After": "1"}
            )
        if "\n" in path:  # which the router matches with no resource, although most take names
            return problem(400, "Malformed path", "The path contains a line break, which no name may have.")
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > self._limit(path):
            return _too_large(self._limit(path))
        return None

    def _limit(self, path: str) -> int:
        return max(self._body_bytes, BULK_BYTES) if path in _MANY else self._body_bytes

    def _log(self, scope: Scope, status: int | None, took: float) -> None:
        if _only_reads(scope):
            return
        caller = scope.get("jobdeck.caller")
        path = scope.get("raw_path", b"").decode("ascii", "backslashreplace")
        name = "-" if caller is None else caller.name
        logger.info("token=%s %s %s status=%s took=%.0fms", name, scope["method"], path, status, took * 1000)


def _trace_of(headers: Headers) -> str | None:
    """Return the trace that a request belongs to; headers that cannot be used name none, as the standard says."""
    traceparents = headers.getlist("traceparent")
    return join_trace(traceparents[0], ",".join(headers.getlist("tracestate"))) if len(traceparents) == 1 else None


def _only_reads(scope: Scope) -> bool:
    return scope["method"] in ("GET", "HEAD", "OPTIONS") or scope["path"] in _READING


def _too_large(limit: int) -> Response:
    return problem(413, "Body too large", f"The body may have at most {limit:,} bytes.", limit=limit)


def internal_error() -> Response:
    """Return the response for an error that nobody expected; it is logged."""
    return problem(500, "Internal error", "The server could not process this; its log has the details.")


def denied_response(denied: Denied) -> Response:
    """Return the response for a request that is refused."""
    headers = {"WWW-Authenticate": 'Bearer realm="jobdeck"'} if denied.status == 401 else {}
    return problem(denied.status, denied.title, str(denied), headers=headers, scope=denied.scope)


class _LimitedBody:
    """Receives the body of a request, up to its limit, and only while it keeps arriving."""

    def __init__(self, state: ServerState, receive: Receive, limit: int, headers: Headers) -> None:
        self._is_asked_for = headers.get("expect", "").lower() == "100-continue"
        self._state = state
        self._receive = receive
        self._limit = limit
        self._complete = False
        self._started = time.monotonic()
        self.held = 0
        """The bytes that have arrived, which count in `ServerState.body_bytes`."""

    async def __call__(self) -> Message:
        if self._complete:  # what comes now is the end of the connection, for which a stream waits
            return await self._receive()
        allowed = self._started + _BODY_SECONDS + self.held / _BYTES_PER_SECOND
        try:
            async with asyncio.timeout(allowed - time.monotonic()):
                message = await self._receive_part()
        except TimeoutError:
            detail = f"The body did not arrive within {_BODY_SECONDS:g} s, or not at {_BYTES_PER_SECOND / 1024:g} KB a second."
            raise HTTPException(408, detail, {"Connection": "close"}) from None
        self._is_asked_for = False  # the client has been told to send it
        size = len(message.get("body", b""))
        self.held += size
        self._state.body_bytes += size
        self._complete = not message.get("more_body", False)
        if self.held > self._limit:
            raise HTTPException(413, f"The body may have at most {self._limit:,} bytes.", {"Connection": "close"})
        if self._state.body_bytes > _ALL_BODIES_BYTES and not self._complete:
            raise HTTPException(
                503, "Too many large bodies arrive at once; try again.", {"Connection": "close", "Retry-After": "1"}
            )
        return message

    async def _receive_part(self) -> Message:
        self._state.clients += 1
        try:
            return await self._receive()
        finally:
            self._state.clients -= 1

    async def discard(self) -> None:
        """Read the rest for a moment: a client that still sends it when the connection closes would not see the answer."""
        left = _DISCARDED_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(_DISCARD_SECONDS):
                while left > 0 and not self._complete and not self._is_asked_for:
                    message = await self._receive_part()
                    left -= len(message.get("body", b""))
                    self._complete = not message.get("more_body", False)


class _Exchange:
    """Sends the response, with the headers that all have, and remembers its status."""

    def __init__(self, state: ServerState, body: _LimitedBody, send: Send) -> None:
        self._state = state
        self._body = body
        self._send = send
        self.status: int | None = None

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = status = message["status"]
            if status >= 400:
                await self._body.discard()
            headers = MutableHeaders(scope=message)
            for name, value in _SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            if self._state.draining:
                headers["Connection"] = "close"
        self._state.clients += 1
        try:
            await self._send(message)
        finally:
            self._state.clients -= 1
