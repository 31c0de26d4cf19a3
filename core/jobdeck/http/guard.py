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
"""Seconds within which each part of a body must arrive."""
_DISCARDED_BYTES = 2 * BULK_BYTES
_DISCARD_SECONDS = 3.0
_REQUESTS = 500
"""Requests in progress at most, without streams; more are asked to come back."""
_API = "/api/"
_CALLS = f"{_API}v1/calls/"
_MANY = ("/api/v1/jobs:bulk", "/api/v1/batches", *(_CALLS + name for name in ("new_jobs", "enqueue_new", "enqueue_batch")))
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
        body = _LimitedBody(receive, self._limit(scope["path"]), Headers(scope=scope))
        exchange = _Exchange(self._state, body, send)
        self._state.in_progress += 1
        try:
            await self._serve(scope, body, exchange)
        finally:
            self._state.in_progress -= 1
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
        if (path.startswith(_API) or path == "/health") and path not in _OPEN:
            scope["jobdeck.caller"] = self._policy.authenticate(headers)
            if self._policy.readonly and not _only_reads(scope):
                return problem(403, "Read-only", "This server was started with --readonly.")
        if self._state.in_progress - self._watcher.open > _REQUESTS:
            return problem(
                429, "Too many requests", "Too many requests are in progress; try again.", headers={"Retry-After": "1"}
            )
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

    def __init__(self, receive: Receive, limit: int, headers: Headers) -> None:
        self._is_asked_for = headers.get("expect", "").lower() == "100-continue"
        self._receive = receive
        self._limit = limit
        self._left = limit
        self._complete = False

    async def __call__(self) -> Message:
        if self._complete:  # what comes now is the end of the connection, for which a stream waits
            return await self._receive()
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                message = await self._receive()
        except TimeoutError:
            detail = f"No part of the body arrived within {_BODY_SECONDS:g} s."
            raise HTTPException(408, detail, {"Connection": "close"}) from None
        self._is_asked_for = False  # the client has been told to send it
        self._left -= len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._left < 0:
            raise HTTPException(413, f"The body may have at most {self._limit:,} bytes.", {"Connection": "close"})
        return message

    async def discard(self) -> None:
        """Read the rest for a moment: a client that still sends it when the connection closes would not see the answer."""
        left = _DISCARDED_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(_DISCARD_SECONDS):
                while left > 0 and not self._complete and not self._is_asked_for:
                    message = await self._receive()
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
        await self._send(message)
