"""The base of the documents that the API returns: times in ISO 8601 UTC, durations in seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from starlette.responses import Response

from ...model.errors import JobdeckError
from ...model.states import State
from ..problems import describe


def iso(at: float) -> str:
    """Format seconds since 1970 as ISO 8601 in UTC: `2026-01-31T12:03:04.512Z`."""
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):  # beyond the year 9999
        return "9999-12-31T23:59:59.999Z"


Time = Annotated[
    float,
    PlainSerializer(iso, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-01-31T12:03:04.512Z"]}),
]
Id = Annotated[int, Field(ge=1, examples=[42])]


class Document(BaseModel):
    """The base of all documents."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    @classmethod
    def of(cls, record: Any, /, **members: Any) -> Self:
        """Return the document of a record: members that are not given are the attributes of the same names."""
        read = {name: getattr(record, name) for name in cls.model_fields.keys() - members.keys()}
        return cls.model_construct(**read, **members)


class JsonResponse(Response):
    """A response with a document, serialized on the thread that has read it."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the JSON of a document; that of any text, also of what UTF-8 cannot encode."""
        try:
            text = content.model_dump_json() if isinstance(content, BaseModel) else json.dumps(content)
            return str(text).encode()
        except ValueError:  # lone surrogates, which JSON has and UTF-8 has not
            return json.dumps(_plain(content)).encode()


def _plain(content: Any) -> Any:
    return content.model_dump() if isinstance(content, BaseModel) else content


def by_state(counts: Mapping[State, int]) -> dict[str, int]:
    """Return the number of jobs in every state."""
    return {str(state): counts.get(state, 0) for state in State}


class RefusalDocument(Document):
    """The reason why an operation left a job, queue or schedule unchanged."""

    subject: int | str = Field(description="The id of the job, or the name of the queue or schedule.")
    detail: str


def refusals(refused: Mapping[Any, JobdeckError]) -> list[RefusalDocument]:
    """Return why an operation refused jobs, queues or a schedule."""
    return [RefusalDocument(subject=subject, detail=describe(error)) for subject, error in refused.items()]
