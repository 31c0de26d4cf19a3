"""Calls: the methods of a queue, for jobdeck's own commands and cockpit."""

from __future__ import annotations

import json
import zlib
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Path, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from ...model.errors import JobdeckError
from ..access import Denied, caller_of
from ..calls.all import CALLS
from ..calls.call import CallContext, QueueCall
from ..problems import field_problem, problem, problem_of
from ..routing import make_router, queue_of, require_type, responses
from ..wire import encode, encode_error

router = make_router("calls")

_COMPRESSED = 16_384
"""Bytes from which on an answer is compressed for clients that read that."""

if TYPE_CHECKING:
    CallName = StrEnum
else:
    CallName = StrEnum("CallName", {f"call_{at}": name for at, name in enumerate(CALLS)})


@router.post(
    "/calls/{name}",
    operation_id="call",
    response_class=Response,
    responses={
        200: {"description": "What the call returns, as JSON.", "content": {"application/json": {"schema": {}}}},
        **responses(404, 409, 415, 504),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object", "description": "The arguments by name."}}},
        }
    },
)
async def make_call(
    request: Request, name: Annotated[CallName, Path(description="The name of the call.", examples=["about"])]
) -> Response:
    """Call a method of the queue. This is for jobdeck's own commands and cockpit; programs use the resources.

    The calls and their records change from version to version; `about` has the version of the protocol.
    """
    made = CALLS[str(name)]
    if made.scope not in caller_of(request).scopes:
        raise Denied(403, "Scope missing", f"This needs a token with the scope {made.scope}.", scope=made.scope)
    require_type(request, "application/json")
    return await run_in_threadpool(_answer, request, made, await request.body())


def _answer(request: Request, made: QueueCall, body: bytes) -> Response:
    try:
        arguments = made.arguments.model_validate_json(body)
    except ValidationError as errors:
        found = errors.errors(include_url=False, include_input=False)
        if found[0]["type"] == "json_invalid":
            return problem(400, "Malformed JSON", "The body is no JSON document that can be read.")
        wrong = [field_problem("body", each["loc"], str(each["msg"])) for each in found[:100]]
        return problem(422, "Invalid request", "Some values of the request are wrong; errors names them.", errors=wrong)
    context = CallContext(queue_of(request), caller_of(request))
    given: dict[str, Any] = {field: getattr(arguments, field) for field in type(arguments).model_fields}
    try:
        answer = made.run(context, **given)
    except JobdeckError as error:
        return problem_of(error, cause=encode_error(error))
    text = json.dumps(encode(answer), separators=(",", ":")).encode()
    headers = {}
    if len(text) > _COMPRESSED and "gzip" in request.headers.get("accept-encoding", ""):
        packed = zlib.compressobj(1, wbits=31)
        text, headers = packed.compress(text) + packed.flush(), {"Content-Encoding": "gzip"}
    return Response(text, media_type="application/json", headers=headers)
