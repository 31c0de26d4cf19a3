"""Shared by all routes: the check of the scope and of the body's type before anything is read, and their description."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ..queue import Queue
from .access import Denied, caller_of, scope_of
from .problems import MEDIA_TYPE, Problem
from .watcher import Watcher

_DESCRIBED = {
    400: "The request or its filter is malformed; `column` has the place of the mistake in the filter.",
    401: "A token is required, or the one that was sent is unknown.",
    403: "The token lacks a scope, the server is read-only, or a page of another site sent the request.",
    404: "It does not exist.",
    408: "The body arrived too slowly.",
    409: "The state does not allow it, or a key is taken; `holder` is the job that holds the key.",
    413: "The body or the arguments are too large.",
    415: "The body has another type than the endpoint reads.",
    421: "The Host header names another server.",
    422: "A value is wrong; `errors` has a JSON Pointer or a parameter for each.",
    429: "Too many requests are in progress; `Retry-After` has the seconds to wait.",
    500: "The server could not process the request; its log has the details.",
    503: "The store is busy or unavailable; `Retry-After` has the seconds to wait.",
    504: "The worker did not reply.",
}
_ALWAYS = (400, 401, 403, 408, 413, 421, 422, 429, 500, 503)


class Route(APIRoute):
    """A route that checks the scope of the caller, and the type of the body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, behind the checks."""
        handle = super().get_route_handler()
        needed = scope_of(self.endpoint)
        reads_json = self.body_field is not None

        async def checked(request: Request) -> Response:
            if needed is not None and needed not in caller_of(request).scopes:
                raise Denied(403, "Scope missing", f"This needs a token with the scope {needed}.", scope=needed)
            if reads_json:
                require_type(request, "application/json", "application/merge-patch+json")
            return await handle(request)

        return checked


class _IdConvertor(Convertor[str]):
    """Matches ids in a path, so that `/jobs/cancel` is not taken for a job. The endpoint checks their range."""

    regex = "[0-9]{1,20}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return str(value)


class _NameConvertor(_IdConvertor):
    """Matches names, which may hold slashes, up to the word for an operation at the end of the path."""

    regex = "(?:(?!/(?:pause|resume|run|jobs)$).)+"


register_url_convertor("id", _IdConvertor())
register_url_convertor("name", _NameConvertor())


def require_type(request: Request, *accepted: str) -> None:
    """Refuse a body of another type with 415. A request without a body has none."""
    headers = request.headers
    if "content-length" not in headers and "transfer-encoding" not in headers:
        return
    given = headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in accepted and headers.get("content-length") != "0":
        raise HTTPException(415, f"Send the body as {accepted[0]}.")


def make_router(tag: str, prefix: str = "/api/v1") -> APIRouter:
    """Return a router for the resources of one kind."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=Route)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the errors of an endpoint: those that all have, and these."""
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}
    found: dict[int | str, dict[str, Any]] = {
        status: {"description": _DESCRIBED[status], "content": content} for status in sorted({*_ALWAYS, *statuses})
    }
    return found


def queue_of(request: Request) -> Queue:
    """Return the queue that the server serves."""
    queue: Queue = request.app.state.queue
    return queue


def watcher_of(request: Request) -> Watcher:
    """Return the watcher of the server."""
    watcher: Watcher = request.app.state.watcher
    return watcher
