"""The application: the resources of a queue behind the guard."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..model.errors import JobdeckError
from ..queue import Queue
from .access import AccessPolicy, Denied
from .guard import RequestGuard, ServerState, denied_response, internal_error
from .problems import Problem, field_problem, problem, problem_of, status_title
from .routes import bulk, calls, docs, health, jobs, journal, metrics, queues, schedules, stats, streams, workers
from .watcher import Watcher

_THREADS = 16
"""Threads that call the queue. Each has its own connection; a call is short, unless it waits for another program's lock."""
_DESCRIPTION = (
    "Enqueue, inspect and steer the jobs of a jobdeck queue. Every error is a problem document (RFC 9457). Send a token as"
    " Authorization: Bearer TOKEN."
)


def create_app(queue: Queue, policy: AccessPolicy, state: ServerState | None = None) -> RequestGuard:
    """Return the ASGI application for a queue. The caller keeps the queue open, and closes it."""
    state = ServerState() if state is None else state
    watcher = Watcher(queue)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        watcher.start()
        try:
            yield
        finally:
            await asyncio.get_running_loop().run_in_executor(None, watcher.close)

    from .. import __version__

    app = FastAPI(
        title="jobdeck",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.queue, app.state.watcher, app.state.server = queue, watcher, state
    # Fixed paths before those with a parameter in the same place.
    for each in (bulk, jobs, streams, queues, workers, stats, schedules, journal, calls, health, metrics, docs):
        app.include_router(each.router)
    app.add_exception_handler(JobdeckError, _on_jobdeck_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(Denied, _on_denied)
    app.add_exception_handler(Exception, _on_unexpected_error)  # the guard logs it
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return RequestGuard(app, policy, state, queue.settings.max_args_bytes, watcher)


async def _on_jobdeck_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, JobdeckError)
    return problem_of(error)


async def _on_unexpected_error(_: Request, __: Exception) -> Response:
    return internal_error()


async def _on_denied(_: Request, error: Exception) -> Response:
    assert isinstance(error, Denied)
    return denied_response(error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    if error.status_code == 404 and detail == "Not Found":
        detail = "No resource has this path; GET /api/v1/docs lists them."
    elif error.status_code == 400 and "parsing the body" in detail:
        detail = "The body is no JSON document that can be read."
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_methods_at(request.app, request.url.path))
        detail = f"This resource does not take {request.method}; see the header Allow."
    return problem(error.status_code, status_title(error.status_code), detail, headers=headers)


def _methods_at(app: FastAPI, path: str) -> list[str]:
    """Return the methods of a path, which several routes may share."""
    paths: dict[str, dict[str, Any]] = app.openapi()["paths"]
    for described in sorted(paths, key=lambda each: -each.count("/")):  # names may hold slashes: longer paths first
        pattern = re.sub(r"\\\{(?:job|batch)_id\\\}", "[0-9]+", re.escape(described))
        if re.fullmatch(re.sub(r"\\\{\w+\\\}", ".+", pattern), path):
            return sorted(method.upper() for method in paths[described])
    return ["GET"]  # the page of the documentation, and the description of the API


async def _on_invalid_request(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        place = next(each["loc"][-1] for each in found if each["type"] == "json_invalid")
        return problem(400, "Malformed JSON", f"The body is no JSON: there is a mistake at character {place}.")
    wrong = [field_problem(str(each["loc"][0]), each["loc"][1:], _sentence(str(each["msg"]))) for each in found[:100]]
    return problem(422, "Invalid request", "Some values of the request are wrong; errors names them.", errors=wrong)


def _sentence(message: str) -> str:
    return message[:1].lower() + message[1:]


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, openapi_version="3.1.0"
        )
        components = schema["components"]
        schemas = components["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        problem_schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem_schema.pop("$defs", {}))
        schemas["Problem"] = problem_schema
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        _link(schema["paths"])
        for path, methods in schema["paths"].items():
            for operation in methods.values():
                if path not in ("/healthz", "/readyz"):
                    operation["security"] = [{"token": []}, {}]
        app.openapi_schema = schema
    return app.openapi_schema


_LINKS = {
    ("job_id", "#/id"): ("/api/v1/jobs", "/api/v1/schedules/{name}/run"),
    ("job_id", "#/ids/0"): ("/api/v1/jobs:bulk",),
    ("batch_id", "#/id"): ("/api/v1/batches",),
    ("name", "#/name"): ("/api/v1/schedules",),
}
"""Parameter and place in the answer → the paths that return it in answer to a POST."""


def _link(paths: dict[str, Any]) -> None:
    """Describe which operations take the ids that others return."""
    for (parameter, place), sources in _LINKS.items():
        prefix = {"job_id": "/api/v1/jobs/", "batch_id": "/api/v1/batches/", "name": "/api/v1/schedules/"}[parameter]
        targets = [
            operation["operationId"]
            for path, methods in paths.items()
            if path.startswith(prefix) and f"{{{parameter}}}" in path
            for operation in methods.values()
        ]
        for source in sources:
            paths[source]["post"]["responses"]["201"]["links"] = {
                target: {"operationId": target, "parameters": {parameter: f"$response.body{place}"}} for target in targets
            }
