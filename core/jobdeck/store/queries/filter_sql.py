"""Translates conditions to SQL: a WHERE clause and its parameters. No user text is ever part of the SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...json_functions import json
from ...model.filter import Condition, Literal, Term
from ...model.filter_text import Pattern
from ...model.kind_names import HANDLER_SQL, NAME_SQL, SHELL
from .dialect import Bound, Dialect, bind

_COLUMNS = {"state": "state", "queue": "queue", "kind": "kind", "worker": "worker", "id": "id"}
_COLUMNS |= {"priority": "priority", "attempt": "attempt", "error": "error"}
_COLUMNS |= {"reason": "reason", "unique": "unique_key", "batch": "batch", "crashes": "crashes"}
# A completed job has no error, and most jobs never had one: their attempts need not be read.
_NEWEST_FAILURE = (
    "CASE WHEN error IS NOT NULL THEN (SELECT {} FROM jobdeck_attempts AS attempt WHERE attempt.job_id = jobdeck_jobs.id"
    " AND attempt.outcome IN ('failed', 'timed out', 'crashed') ORDER BY attempt.finished_at DESC, attempt.number DESC"
    " LIMIT 1) END"
)
_COLUMNS |= {"exception": f"({_NEWEST_FAILURE.format('coalesce(attempt.error_type, attempt.outcome)')})"}
_COLUMNS |= {"name": f"({NAME_SQL})"}

_AGE = "(:now - created_at)"
_WHOLE = ("id", "priority", "attempt", "batch", "crashes")
# A job that failed and is due again later has not waited since: its due time lies after its start.
WAIT = (
    "CASE WHEN state = 'pending' THEN :now - scheduled_at"
    " WHEN started_at >= scheduled_at AND (state = 'running' OR finished_at IS NOT NULL) THEN started_at - scheduled_at END"
)
_RUN = "(coalesce(finished_at, CASE state WHEN 'running' THEN :now END) - started_at)"


def where(condition: Condition, now: float, dialect: Dialect) -> tuple[str, Bound]:
    """Return the condition as the text after WHERE, and its named values."""
    bound: Bound = {"now": now}
    clauses = [_clause(term, bound, dialect) for term in condition.terms]
    return " AND ".join(clauses) or "true", bound


def _clause(term: Term, bound: Bound, dialect: Dialect) -> str:
    if term.op == ":":
        exact = [value for value in term.values if not isinstance(value, Pattern)]
        loose = [value for value in term.values if isinstance(value, Pattern)]
        parts = [_pattern(term, value, bound, dialect) for value in loose]
        if exact:
            parts.append(_exact(term, exact, bound, dialect))
        clause = parts[0] if len(parts) == 1 else _any(parts)
    else:
        whole = term.field in _WHOLE
        clause = dialect.compared(_number(term.field), term.op, float(str(term.values[0])), bound, whole=whole)
    # A comparison with NULL is neither true nor false; its negation must still be true.
    return f"coalesce({clause}, false) = false" if term.negated else clause


def _exact(term: Term, values: Sequence[Literal], bound: Bound, dialect: Dialect) -> str:
    match term.field:
        case "text" | "error":
            return _any(_part(term.field, str(value), bound, dialect) for value in values)
        case "tag":
            return dialect.tagged([*map(str, values)], bound)
        case "schedule":
            tails = [*map(schedule_tail, values)]
            return f"({dialect.scheduled} AND {dialect.one_of(dialect.of_schedule, tails, bound)})"
        case "age" | "run" | "wait":
            # `age:1h` means exactly that age, to a second.
            return _any(f"abs({_number(term.field)} - {bind(bound, value)}) < 1" for value in values)
        case field if field.startswith("args."):
            return dialect.argument_is(field.split(".")[1:], [*map(str, values)], bound)
        case "kind" if SHELL in values:  # of all commands, whatever their names
            return _any([dialect.one_of("kind", values, bound), f"{HANDLER_SQL} = '{SHELL}'"])
        case field:
            return dialect.one_of(_column(field, dialect), values, bound)


def schedule_tail(name: object) -> str:
    """Return the end of the stored tags of a schedule's jobs."""
    return json.dumps([f"schedule:{name}"])[1:]


def _pattern(term: Term, pattern: Pattern, bound: Bound, dialect: Dialect) -> str:
    match term.field:
        case "text" | "error":
            return _part(term.field, pattern, bound, dialect)
        case "tag":
            return dialect.tagged_like(pattern, bound)
        case "schedule":
            return dialect.tagged_like(Pattern(("schedule:", *pattern.pieces)), bound)
        case field if field.startswith("args."):
            return dialect.argument_like(field.split(".")[1:], pattern, bound)
        case field:
            return dialect.like(_column(field, dialect), pattern, bound)


def _column(field: str, dialect: Dialect) -> str:
    return f"({_NEWEST_FAILURE.format(dialect.failure_place)})" if field == "place" else _COLUMNS[field]


def _part(field: str, value: str | Pattern, bound: Bound, dialect: Dialect) -> str:
    """Test whether the text occurs anywhere, in any case."""
    if field == "error":
        return dialect.part("error", value, bound)
    # Kinds and queues are few: each is searched once, not with every job. Most jobs have no tags and no error.
    parts = [
        f"{column} IN (SELECT {column} FROM jobdeck_counts WHERE {dialect.part(column, value, bound)})"
        for column in ("kind", "queue")
    ]
    parts.append(dialect.part(dialect.searched_args, value, bound))
    as_json = value.convert(_as_json) if isinstance(value, Pattern) else _as_json(value)
    if as_json != value:  # arguments are searched as they are stored: as JSON, with quotation marks and line ends escaped
        parts.append(dialect.part(dialect.searched_args, as_json, bound))
    parts.append(f"(error IS NOT NULL AND {dialect.part('error', value, bound)})")
    tagged = [dialect.part("tags", value, bound), dialect.tagged_part(value, bound)]
    return _any([*parts, f"(tags <> '[]' AND {_any(tagged)})"])


def _as_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def like_pattern(value: str | Pattern) -> str:
    """Return the value as a pattern of LIKE that matches the same texts, with LIKE's own wildcards escaped."""
    return value.write("%", "_", _escape_like) if isinstance(value, Pattern) else _escape_like(value)


def _escape_like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _any(clauses: Iterable[str]) -> str:
    return f"({' OR '.join(clauses)})"


def _number(field: str) -> str:
    return {"age": _AGE, "run": _RUN, "wait": f"({WAIT})"}.get(field) or _COLUMNS[field]
