"""The errors of the API as problem documents (RFC 9457): one table from each error of jobdeck to a status."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from ..model import errors
from ..model.errors import InvalidArguments, InvalidOption, JobdeckError
from ..model.record_class import record

MEDIA_TYPE = "application/problem+json"
_BUSY = 1
"""Seconds after which a request may be sent again if the store was busy."""
_OUTAGE = 10
"""Seconds after which a request may be sent again if the store was unavailable."""


class FieldProblem(BaseModel):
    """The problem with one value of a request."""

    pointer: str | None = Field(None, description="JSON Pointer into the body.", examples=["/args/order_id"])
    parameter: str | None = Field(None, description="Name of a parameter of the query, the path or the headers.")
    detail: str = Field(description="What is wrong with it.", examples=["is missing"])


class Problem(BaseModel):
    """A problem document (RFC 9457). More members depend on its type."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Name of the problem as a URN; the same for every occurrence.")
    title: str = Field(description="The problem in general.")
    status: int = Field(description="The status of the response.")
    detail: str = Field(description="What happened, and what to do, in one sentence.")
    errors: list[FieldProblem] | None = Field(None, description="The values that are wrong, for 422.")


@record
class Rule:
    """The status and the headers that report an error of jobdeck."""

    status: int
    title: str
    members: tuple[str, ...] = ()
    """Attributes of the error that become members of the document."""
    detail: str | None = None
    """The sentence, if the error's own may name paths, addresses or code of the server."""
    retry_after: int | None = None
    """Seconds."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Attribute → member, if their names differ."""


_INTERNAL = "The server could not process this; its log has the details."

RULES: Mapping[type[JobdeckError], Rule] = {
    JobdeckError: Rule(500, "Internal error", detail=_INTERNAL),
    errors.JobNotFound: Rule(404, "Job not found", ("job_id",)),
    errors.BatchNotFound: Rule(404, "Batch not found", ("batch",)),
    errors.ScheduleNotFound: Rule(404, "Schedule not found", ("name",)),
    errors.JournalEntryNotFound: Rule(404, "Journal entry not found", ("entry_id",)),
    errors.WorkerNotFound: Rule(404, "Worker not found", ("worker",)),
    errors.TokenNotFound: Rule(404, "Token not found", ("name",)),
    errors.WrongState: Rule(409, "Wrong state", ("job_id", "operation", "state")),
    errors.NotRunning: Rule(409, "Job not running", ("job_id", "state")),
    errors.UniqueKeyTaken: Rule(409, "Unique key taken", ("job_id", "key", "holder")),
    errors.UniqueKeyConflict: Rule(409, "Unique key taken", ("key", "state"), renamed={"job_id": "holder"}),
    errors.UndoConflict: Rule(409, "Cannot be undone", ("subject",)),
    errors.Irreversible: Rule(409, "Irreversible", ("count",)),
    errors.NothingToUndo: Rule(409, "Nothing to undo"),
    errors.InvalidJournalEntry: Rule(409, "Journal entry in the wrong state", ("entry_id",)),
    errors.UndoDataDamaged: Rule(409, "Undo data damaged", ("entry_id",)),
    errors.LeaseLost: Rule(409, "Lease lost", ("job_id",)),
    errors.ScheduleExists: Rule(409, "Schedule exists", ("name",)),
    errors.TokenExists: Rule(409, "Token exists", ("name",)),
    errors.InvalidPayload: Rule(409, "Stored arguments unreadable", ("job_id",)),
    errors.InvalidFilter: Rule(400, "Invalid filter", ("column",)),
    errors.InvalidArguments: Rule(422, "Invalid arguments", ("kind",)),
    errors.ArgumentsMismatch: Rule(422, "Invalid arguments", ("kind",)),
    errors.UnknownKind: Rule(
        422, "Unknown kind", ("kind",), detail="This server knows no kind of that name; GET /api/v1/kinds lists the kinds."
    ),
    errors.InvalidOption: Rule(422, "Invalid option", ("option",)),
    errors.InvalidCron: Rule(422, "Invalid cron expression", ("cron",)),
    errors.ArgumentsTooLarge: Rule(413, "Arguments too large", ("kind", "size", "limit")),
    errors.WorkerUnreachable: Rule(504, "Worker did not reply", ("worker",)),
    # What the server itself, its settings or its program is to blame for.
    errors.InvalidSetting: Rule(500, "Internal error", detail=_INTERNAL),
    errors.InvalidHandler: Rule(500, "Internal error", detail=_INTERNAL),
    errors.KindTaken: Rule(500, "Internal error", detail=_INTERNAL),
    errors.AppImportError: Rule(500, "Internal error", detail=_INTERNAL),
    errors.KindNotInChild: Rule(500, "Internal error", detail=_INTERNAL),
    errors.ChildNotStarted: Rule(500, "Internal error", detail=_INTERNAL),
    errors.ThreadsReplaced: Rule(500, "Internal error", detail=_INTERNAL),
    errors.BackupFailed: Rule(500, "Backup failed", detail=_INTERNAL),
    errors.TokenFileRefused: Rule(503, "Tokens unavailable", detail=_INTERNAL, retry_after=_OUTAGE),
    # The store.
    errors.StoreError: Rule(503, "Store unavailable", detail="The database could not do this.", retry_after=_OUTAGE),
    errors.StoreBusy: Rule(503, "Store busy", detail="The database stayed locked; try again.", retry_after=_BUSY),
    errors.StoreRefused: Rule(503, "Store unavailable", detail="The database cannot be used.", retry_after=_OUTAGE),
    errors.StoreFailed: Rule(
        503, "Store unavailable", detail="The database failed, and nothing was changed; try again later.", retry_after=_OUTAGE
    ),
    errors.StoreMissing: Rule(503, "Store unavailable", detail="The database does not exist anymore.", retry_after=_OUTAGE),
    errors.StoreUnreachable: Rule(
        503, "Store unavailable", detail="The database server cannot be reached.", retry_after=_OUTAGE
    ),
    errors.StoreReplaced: Rule(
        503, "Store replaced", detail="The database was replaced, and this had no effect; try again.", retry_after=_BUSY
    ),
    errors.RowRefused: Rule(422, "Value refused", detail="The database rejected a value; nothing was changed."),
    errors.RowDamaged: Rule(500, "Stored row damaged", detail="A stored row is damaged; `jobdeck doctor` names it."),
}
"""Every error of jobdeck; one that a program derives is reported as its base."""


def problem(
    status: int,
    title: str,
    detail: str,
    /,
    *,
    slug: str | None = None,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> Response:
    """Return a response with a problem document.

    Args:
        status: the status.
        title: the problem in general.
        detail: what happened, in one sentence.
        slug: the last part of its type; made from the title if `None`.
        headers: further headers.
        members: further members of the document; `None` is omitted.
    """
    document = {
        "type": f"urn:jobdeck:problem:{slug or _slug(title)}",
        "title": title,
        "status": status,
        "detail": detail,
        **{name: value for name, value in members.items() if value is not None},
    }
    return Response(dump(document), status, dict(headers or {}), MEDIA_TYPE)


def dump(document: object) -> bytes:
    """Return the document as JSON in ASCII, which no text in it can break."""
    import json

    return json.dumps(document, default=str).encode()


def problem_of(error: JobdeckError, *, cause: Mapping[str, Any] | None = None) -> Response:
    """Return the response for an error of jobdeck; `cause` is a further member of the document."""
    rule = next(RULES[base] for base in type(error).__mro__ if base in RULES)
    members = {name: getattr(error, name, None) for name in rule.members}
    members |= {member: getattr(error, name, None) for name, member in rule.renamed.items()}
    headers = {} if rule.retry_after is None else {"Retry-After": str(rule.retry_after)}
    detail = str(error) if rule.detail is None else rule.detail
    return problem(rule.status, rule.title, detail, headers=headers, errors=_field_problems(error), cause=cause, **members)


def describe(error: JobdeckError) -> str:
    """Return the sentence of an error for a document that reports several."""
    rule = next(RULES[base] for base in type(error).__mro__ if base in RULES)
    return str(error) if rule.detail is None else rule.detail


def status_title(status: int) -> str:
    """Return the name of a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def pointer(path: Iterable[object]) -> str:
    """Return a JSON Pointer (RFC 6901) to a value."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def field_problem(where: str, path: Iterable[object], detail: str) -> dict[str, str]:
    """Return what is wrong with a value of a request: in its `body`, or in its `query`, `path` or `header`."""
    if where == "body":
        return {"pointer": pointer(path), "detail": detail}
    return {"parameter": ".".join(map(str, path)), "detail": detail}


def _field_problems(error: JobdeckError) -> list[dict[str, str]] | None:
    at = getattr(error, "pointer", ())
    """The place in the body of the job that the error is about, if the body holds several: see `requests.at`."""
    match error:
        case InvalidArguments():
            return [field_problem("body", (*at, "args", *each.path), each.problem) for each in error.problems]
        case errors.UnknownKind():
            return [field_problem("body", (*at, "kind"), "is unknown to this server")]
        case InvalidOption():
            return [field_problem("body", (*at, _OPTIONS.get(error.option, error.option)), error.problem)]
    return None


_OPTIONS = {
    "tag": "tags",
    "time": "at",
    "expiry": "expires",
    "unique key": "unique",
    "batch name": "name",
    "name of a schedule": "name",
    "cron expression": "cron",
    "number of ticks": "n",
    "number of running jobs": "running",
}
"""The name of an option in a sentence → its name in a body."""


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
