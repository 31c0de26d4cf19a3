"""Reading rows of the SQLite tables; what they become is told in `records`."""

from __future__ import annotations

import apsw

from ..records import (
    ATTEMPT_COLUMNS,
    JOB_COLUMNS,
    LOG_COLUMNS,
    PLACE,
    Row,
    attempt_of,
    frozen_job,
    job_of,
    log_line_of,
    storable,
    tags_of,
)

__all__ = [
    "ATTEMPT_COLUMNS",
    "JOB_COLUMNS",
    "LOG_COLUMNS",
    "PLACE",
    "Row",
    "attempt_of",
    "frozen_job",
    "job_of",
    "log_line_of",
    "rows_of",
    "storable",
    "tags_of",
]


def rows_of(connection: apsw.Connection, query: str, bound: apsw.Bindings | None = None) -> list[Row]:
    """All rows of a query."""
    return [*connection.execute(query, bound)]
