"""Conditions become SQL: a WHERE clause and its bound parameters. No text of a person is ever part of the SQL."""

from __future__ import annotations

import json
from typing import Any

from ...query import Condition, Term, Value, is_pattern

Bound = dict[str, Any]

_COLUMNS = {"state": "state", "queue": "queue", "kind": "kind", "worker": "worker", "id": "id"}
_COLUMNS |= {"priority": "priority", "attempt": "attempt", "error": "error"}
_COLUMNS |= {"reason": "reason", "unique": "unique_key", "batch": "batch", "crashes": "crashes"}
# A job that has completed has no error any more, and most jobs never had one: their attempts need not be looked at.
_NEWEST_FAILURE = (
    "CASE WHEN error IS NOT NULL THEN (SELECT {} FROM jobdeck_attempts AS attempt WHERE attempt.job_id = jobdeck_jobs.id"
    " AND attempt.outcome IN ('failed', 'timed out', 'crashed') ORDER BY attempt.finished_at DESC, attempt.number DESC"
    " LIMIT 1) END"
)
_COLUMNS |= {"exception": f"({_NEWEST_FAILURE.format('coalesce(attempt.error_type, attempt.outcome)')})"}
_COLUMNS |= {"place": f"({_NEWEST_FAILURE.format('jobdeck_place(attempt.traceback)')})"}

OF_SCHEDULE = "substr(tags, instr(tags, '\"schedule:'))"
"""A schedule puts its tag last, so what follows from there on names it. As the index `jobdeck_by_schedule` has it."""
SCHEDULED = "instr(tags, '\"schedule:') > 0"
_AGE = "(:now - created_at)"
# Unreadable tags meet no condition, rather than failing the query for all.
_TAGS = "json_each(CASE WHEN json_valid(tags) THEN tags ELSE '[]' END)"
# A job that failed and is due again later has not waited since: its due time lies after its start.
WAIT = (
    "CASE WHEN state = 'pending' THEN :now - scheduled_at"
    " WHEN started_at >= scheduled_at AND (state = 'running' OR finished_at IS NOT NULL) THEN started_at - scheduled_at END"
)
_RUN = "(coalesce(finished_at, CASE state WHEN 'running' THEN :now END) - started_at)"


def where(condition: Condition, now: float) -> tuple[str, Bound]:
    """The condition as the text after WHERE, and the values it names."""
    bound: Bound = {"now": now}
    clauses = [_clause(term, bound) for term in condition.terms]
    return " AND ".join(clauses) or "true", bound


def _clause(term: Term, bound: Bound) -> str:
    if term.op == ":":
        exact = [value for value in term.values if not is_pattern(value)]
        loose = [value for value in term.values if is_pattern(value)]
        parts = [_pattern(term, value, bound) for value in loose]
        if exact:
            parts.append(_exact(term, exact, bound))
        clause = parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"
    else:
        clause = f"{_number(term.field)} {term.op} {_bind(bound, term.values[0])}"
    # A comparison with NULL is neither true nor false; its opposite must still hold.
    return f"coalesce({clause}, false) = false" if term.negated else clause


def _exact(term: Term, values: list[Value], bound: Bound) -> str:
    match term.field:
        case "text" | "error":
            return _any(_part(term.field, str(value), bound) for value in values)
        case "tag":
            return f"EXISTS (SELECT 1 FROM {_TAGS} WHERE value IN ({_list(values, bound)}))"
        case "schedule":
            return f"({SCHEDULED} AND {OF_SCHEDULE} IN ({_list([*map(schedule_tail, values)], bound)}))"
        case "age" | "run" | "wait":
            # `age:1h` asks for that hour's worth: as old as it says, to the unit of a second.
            return _any(f"abs({_number(term.field)} - {_bind(bound, value)}) < 1" for value in values)
        case field if field.startswith("args."):
            return f"{_argument(field, bound)} IN ({_list(values, bound)})"
        case field:
            return f"{_COLUMNS[field]} IN ({_list(values, bound)})"


def schedule_tail(name: Value) -> str:
    """How the stored tags of a schedule's jobs end."""
    return json.dumps([f"schedule:{name}"])[1:]


def _pattern(term: Term, value: Value, bound: Bound) -> str:
    pattern = str(value)
    match term.field:
        case "text" | "error":
            return _part(term.field, pattern, bound)
        case "tag":
            return f"EXISTS (SELECT 1 FROM {_TAGS} WHERE value GLOB {_glob(pattern, bound)})"
        case "schedule":
            return f"EXISTS (SELECT 1 FROM {_TAGS} WHERE value GLOB {_glob(f'schedule:{pattern}', bound)})"
        case field if field.startswith("args."):
            return f"{_argument(field, bound)} GLOB {_glob(pattern, bound)}"
        case field:
            return f"{_COLUMNS[field]} GLOB {_glob(pattern, bound)}"


def _part(field: str, text: str, bound: Bound) -> str:
    """The text is found anywhere, in any case; `*` and `?` in it are wildcards."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    name = _bind(bound, "%" + escaped.replace("*", "%").replace("?", "_") + "%")
    columns = ["error"] if field == "error" else ["kind", "queue", "args", "error", "tags"]
    return _any(f"{column} LIKE {name} ESCAPE '\\'" for column in columns)


def _any(clauses: Any) -> str:
    return f"({' OR '.join(clauses)})"


def _number(field: str) -> str:
    return {"age": _AGE, "run": _RUN, "wait": f"({WAIT})"}.get(field) or _COLUMNS[field]


def _argument(field: str, bound: Bound) -> str:
    """The argument as text: a text as it is, everything else as it is written in JSON (`42`, `true`, `null`)."""
    # Digits count into a list; other names are quoted, and `parse` lets none through that could end the quotes.
    steps = [f"[{step}]" if step.isascii() and step.isdigit() else f'."{step}"' for step in field.split(".")[1:]]
    path = _bind(bound, "$" + "".join(steps))
    # Unreadable arguments meet no condition, rather than failing the query for all.
    return (
        f"CASE WHEN json_valid(args) THEN"
        f" CASE json_type(args, {path}) WHEN 'text' THEN args ->> {path} ELSE args -> {path} END END"
    )


def _glob(pattern: str, bound: Bound) -> str:
    return _bind(bound, pattern.replace("[", "[[]"))


def _list(values: list[Value], bound: Bound) -> str:
    return ", ".join(_bind(bound, value) for value in values)


def _bind(bound: Bound, value: Value) -> str:
    name = f"v{len(bound)}"
    bound[name] = value
    return f":{name}"
