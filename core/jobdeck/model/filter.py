"""The filter language: parse the text of a filter into a condition. Pure; the stores translate conditions to SQL.

    state:failed queue:mail,img kind:send* -tag:slow age>1h run>30s attempt>=3 args.user.id:42 "free text"

Terms are separated by spaces, and a job must match all of them. A comma in a value means *or*; `-` before a term means
*not*; `*` and `?` in a value match any text and any single character; and a backslash before one of them makes it literal (see
`filter_text`). Words without a field are searched for in kind, queue, arguments, error and tags, in any case (see
`case_folding`). Ages and durations take a unit: `90s`, `15m`, `1h`, `2d`, `1w`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from .errors import InvalidFilter
from .filter_text import Pattern, escape, filter_characters, parse_value
from .jobs import Reason
from .record_class import record
from .states import State
from .suggestions import closest_name, did_you_mean

Literal = str | float
"""A text, taken literally, or a number."""
Value = Literal | Pattern
"""A value of a term."""


@record
class Term:
    """One comparison. `field` is a key of `FIELDS`, `args.<path>`, or `text`."""

    field: str
    op: str
    """`:` (one of), or one of `<`, `<=`, `>`, `>=`."""
    values: tuple[Value, ...]
    negated: bool = False


@record
class Condition:
    """Terms that a job must all match. Without terms, every job matches."""

    terms: tuple[Term, ...] = ()

    def only(self, field: str) -> frozenset[str] | None:
        """Return the values that the only positive `field:` term admits; `None` if it is not the only one or has wildcards."""
        found = [term for term in self.terms if term.field == field and term.op == ":" and not term.negated]
        if len(found) != 1 or any(is_pattern(value) for value in found[0].values):
            return None
        return frozenset(str(value) for value in found[0].values)

    def and_(self, *terms: Term) -> Condition:
        """Return this condition with these terms added."""
        return Condition((*self.terms, *terms))


EVERY_JOB = Condition()

MAX_LENGTH = 10_000
"""The maximum length of a filter, in characters."""
MAX_TERMS = 64
"""The maximum number of terms in a filter, and of alternatives with wildcards in a term."""

#: Field → (type of its value, description). `name`: exact or with wildcards; `part`: matches anywhere in the text.
FIELDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "state": ("state", "the state: pending, running, failed, …"),
        "queue": ("name", "the queue"),
        "kind": ("name", "the kind; shell includes all commands"),
        "name": ("name", "the name of a command: the base name of its program, or what --name gave"),
        "tag": ("name", "one of the job's tags"),
        "schedule": ("name", "the schedule that enqueued it"),
        "worker": ("name", "the worker that runs or ran it"),
        "reason": ("reason", "why it failed or was cancelled: exhausted, given-up, timed-out, crashed, expired, parent"),
        "unique": ("name", "its unique key"),
        "batch": ("number", "the batch it belongs to"),
        "id": ("number", "the job's id"),
        "priority": ("number", "the priority"),
        "attempt": ("number", "attempts started"),
        "crashes": ("number", "how often a crash interrupted it"),
        "age": ("duration", "time since it was enqueued"),
        "run": ("duration", "time its newest attempt took, or has taken so far"),
        "wait": ("duration", "time from when it was due to the start of its newest attempt, or to now while it is pending"),
        "error": ("part", "the newest error"),
        "exception": (
            "name",
            "the type of the newest error, or `exit code 3` of a command; `crashed`, `timed out` without one",
        ),
        "place": (
            "name",
            "where the newest error was raised, file:line function; the last error line of a command, # for numbers",
        ),
    }
)

_ALIASES = {"pri": "priority", "try": "attempt", "attempts": "attempt", "took": "run", "tags": "tag"}
_ALIASES |= {"waited": "wait", "crash": "crashes", "unique_key": "unique", "key": "unique"}
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(\d{1,300}(?:\.\d+)?)\s*([a-z]*)", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,300}(\.\d*)?", re.ASCII)
_TERM = re.compile(r"(?P<field>[A-Za-z_]+(?:\.[^\s:<>=\"]+)?)(?P<op>:|<=|>=|<|>|=)")


def is_pattern(value: Value) -> bool:
    """Return whether the value contains wildcards."""
    return isinstance(value, Pattern)


def parse_filter(text: str) -> Condition:
    """Parse a filter.

    Raises:
        InvalidFilter: the text is invalid; `column` is the position of the error.
    """
    for column, character in enumerate(text):
        if "\ud800" <= character <= "\udfff" or character == "\0":
            raise InvalidFilter(text, column, f"the character {character!r} cannot be stored")
    if len(text) > MAX_LENGTH:
        raise InvalidFilter(text, MAX_LENGTH, f"it must have at most {MAX_LENGTH:,} characters")
    found = list(_tokenize(text))
    if len(found) > MAX_TERMS:
        raise InvalidFilter(text, found[MAX_TERMS][0], f"it must have at most {MAX_TERMS} terms")
    return Condition(tuple(_parse_term(text, column, token) for column, token in found))


def write_filter(condition: Condition) -> str:
    """Return the text of a filter that is parsed as this condition."""
    return " ".join(map(_write_term, condition.terms))


def _write_term(term: Term) -> str:
    values = ",".join(map(_write_value, term.values))
    return f"{'-' * term.negated}{'' if term.field == 'text' else term.field + term.op}{values}"


def _write_value(value: Value) -> str:
    if isinstance(value, Pattern):
        return f'"{value}"'
    if isinstance(value, str):
        return f'"{escape(value)}"'
    return str(int(value)) if value == int(value) else format(value, "f")


def parse_duration(text: str) -> float:
    """Parse `90s`, `15m`, `1h30m`, `2d` or a plain number of seconds; return seconds.

    Raises:
        ValueError: it is none of these. The message contains the expected format.
    """
    total, rest = 0.0, text.strip().lower()
    if not rest:
        raise ValueError("expected a duration such as 90s, 15m, 1h or 2d")
    while rest:
        match = _DURATION.match(rest)
        unit = match and (match[2] or "s")
        if match is None or unit not in _UNITS:
            raise ValueError(f"{text!r} is not a duration such as 90s, 15m, 1h or 2d")
        total += float(match[1]) * _UNITS[unit]
        rest = rest[match.end() :]
    return total


def _tokenize(text: str) -> Iterator[tuple[int, str]]:
    """Yield the words with their columns; a quoted part may contain spaces."""
    start: int | None = None
    opened: int | None = None
    for character in filter_characters(text):
        if character.is_mark:
            opened = character.start if opened is None else None
        if character.separates():
            if start is not None:
                yield start, text[start : character.start]
            start = None
        elif start is None:
            start = character.start
    if opened is not None:
        hint = r"; \" is the character itself" if r"\"" in text[opened:] else ""
        raise InvalidFilter(text, opened, f"this quotation mark is not closed{hint}")
    if start is not None:
        yield start, text[start:]


def _parse_term(text: str, column: int, token: str) -> Term:
    negated = token.startswith("-") and len(token) > 1
    body = token[1:] if negated else token
    start = column + negated
    match = _TERM.match(body)
    if match is None:
        return Term("text", ":", (parse_value(body),), negated)
    field, op = match["field"], match["op"]
    if not field.startswith("args."):
        field = _ALIASES.get(field.lower(), field.lower())
    if field not in FIELDS and not field.startswith("args."):
        raise InvalidFilter(text, start, f"unknown field {match['field']!r}; {_suggest_field(field)}")
    if field.startswith("args.") and not all(step and "\\" not in step for step in field.split(".")[1:]):
        raise InvalidFilter(text, start, f"{field!r} does not name an argument; use args.<name> or args.<name>.<name>")
    raw = body[match.end() :]
    at = start + match.end()
    if not raw:
        raise InvalidFilter(text, at, f"a value is missing after {match[0]!r}")
    if op in (":", "="):
        op = ":"
        parts = list(_split_alternatives(raw))
        if not parts:
            raise InvalidFilter(text, at, f"a value is missing after {match[0]!r}")
        values = tuple(_parse_value(text, at + offset, field, part) for offset, part in parts)
        if len(parts) > MAX_TERMS and (_value_type(field) == "part" or any(map(is_pattern, values))):
            raise InvalidFilter(text, at + parts[MAX_TERMS][0], f"a term must have at most {MAX_TERMS} alternatives")
    else:
        if _value_type(field) not in ("number", "duration"):
            raise InvalidFilter(text, at - len(op), f"{field} takes ':', not {op!r}")
        values = (_parse_value(text, at, field, raw),)
    return Term(field, op, values, negated)


def _suggest_field(field: str) -> str:
    similar = closest_name(field, [*FIELDS, "args"]) or closest_name(field, _ALIASES)
    if similar is not None:
        return f"did you mean {'args.<name>' if similar == 'args' else similar}?"
    return f"fields are {', '.join(FIELDS)} and args.<name>"


def _split_alternatives(raw: str) -> Iterator[tuple[int, str]]:
    start = 0
    for character in filter_characters(raw):
        if character.separates(","):
            if character.start > start:
                yield start, raw[start : character.start]
            start = character.start + 1
    if start < len(raw):
        yield start, raw[start:]


def _value_type(field: str) -> str:
    return "name" if field.startswith("args.") else FIELDS[field][0]


def _parse_value(text: str, column: int, field: str, raw: str) -> Value:
    read = parse_value(raw)
    value = str(read)
    match _value_type(field):
        case "state":
            matching = [state for state in State if state.startswith(value.lower())]
            if len(matching) != 1 and value.lower() not in list(State):
                hint = did_you_mean(value, State) or f"; states are {', '.join(State)}"
                raise InvalidFilter(text, column, f"unknown state {value!r}{hint}")
            return value.lower() if value.lower() in list(State) else matching[0]
        case "reason":
            return read if is_pattern(read) else _parse_reason(text, column, value)
        case "number":
            if not _NUMBER.fullmatch(value):
                raise InvalidFilter(text, column, f"{field} takes a number, not {value!r}")
            return float(value)
        case "duration":
            try:
                return parse_duration(value)
            except ValueError as problem:
                raise InvalidFilter(text, column, str(problem)) from None
        case _:
            return read


def _parse_reason(text: str, column: int, value: str) -> str:
    """Return the reason with this name, or with a word that starts so: `exhausted`, `timed-out`, `"timed out"`, `crash`."""
    wanted = re.sub(r"[-_ ]+", " ", value.lower()).strip()
    matching = [reason for reason in Reason if f" {reason}".find(f" {wanted}") >= 0]
    if not wanted or len(matching) != 1:
        known = [reason.replace(" ", "-") for reason in Reason]
        hint = (did_you_mean(value, known) if len(wanted) > 2 else "") or f"; reasons are {', '.join(known)}"
        raise InvalidFilter(text, column, f"unknown reason {value!r}{hint}")
    return matching[0].value
