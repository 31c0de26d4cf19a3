"""Completion for filters: fields, operators, and values from the queue's own jobs. Pure, except `sample`."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field

from jobdeck import FIELDS, Job, Queue, Reason, State, filter_characters, fold_case, name_in_kind, quote_filter_value, record

from ..text.arguments import editable_arguments
from ..text.sanitize import safe

SAMPLED = 300
"""The number of newest jobs whose arguments, tags, workers and errors are suggested."""
_LARGE = 4000
"""Arguments with more characters than this are skipped."""
_DEEP = 5
"""The depth to which nested arguments are read."""
_LONGEST = 60
"""The maximum number of characters of a suggested value."""
_EXAMPLE = 20
"""The maximum number of characters of a value shown as an example."""
_EACH = 40
"""The maximum number of values kept for one field."""
SHOWN = 8
"""The maximum number of suggestions shown."""

_SPANS = ("1m", "5m", "15m", "1h", "6h", "1d", "7d", "30d")
_OPERATORS = ("<", ">", "<=", ">=", ":")
_FIRST = {"number": ">=", "duration": ">"}
"""The operator suggested with a field of this type."""
_WORD = re.compile(r"(?P<sign>-?)(?P<field>[A-Za-z_]+(?:\.[^\s:<>=\"]+)?)(?P<op>:|<=|>=|<|>|=)(?P<value>.*)", re.DOTALL)
_STEP = re.compile(r"[^\s:<>=\".\\]+")


@record
class Suggestion:
    """A text that can be inserted into the filter."""

    text: str
    hint: str = ""
    """The meaning of the text."""


@record
class Suggestions:
    """Suggestions that can replace a part of the filter."""

    begin: int = 0
    end: int = 0
    items: tuple[Suggestion, ...] = ()

    def insert(self, text: str, at: int) -> tuple[str, int]:
        """Return the filter with one suggestion inserted, and the new position of the cursor."""
        before = text[: self.begin] + self.items[at].text
        return before + text[self.end :], len(before)


@record
class Vocabulary:
    """The queue's vocabulary: for each field the values of its jobs, the most frequent first."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        """The fields that stand for arguments."""
        return tuple(name for name in self.values if name.startswith("args."))

    def also(self, **more: Iterable[str]) -> Vocabulary:
        """Return a copy with more values for some fields, placed first."""
        values = dict(self.values)
        for name, found in more.items():
            values[name] = tuple(dict.fromkeys([*found, *values.get(name, ())]))
        return Vocabulary(values)


def sample(queue: Queue) -> Vocabulary:
    """Return the vocabulary of the newest jobs. Reads the database."""
    return vocabulary_of(queue.list(limit=SAMPLED))


def vocabulary_of(jobs: Iterable[Job]) -> Vocabulary:
    """Return the vocabulary of these jobs."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for job in jobs:
        found["kind"][job.kind] += 1
        if (name := name_in_kind(job.kind)) is not None:
            found["name"][name] += 1
        found["queue"][job.queue] += 1
        found["priority"][str(job.priority)] += 1
        for tag in job.tags:
            found["tag"][tag] += 1
        for name, value in (("worker", job.worker), ("unique", job.unique_key), ("batch", job.batch)):
            if value is not None:
                found[name][str(value)] += 1
        if job.error:
            found["error"][job.error.partition(":")[0]] += 1
        if len(job.args_json) <= _LARGE:
            for path, text in _arguments(job.kind, job.args_json):
                found[path][text] += 1
    return Vocabulary({name: tuple(text for text, _ in counted.most_common(_EACH)) for name, counted in found.items()})


def _arguments(kind: str, text: str) -> Iterator[tuple[str, str]]:
    try:
        args = json.loads(text)
    except (ValueError, RecursionError):
        return
    shown = editable_arguments(kind, args) if isinstance(args, dict) else args  # suggest no secrets
    yield from _leaves("args", shown, _DEEP)


def _leaves(path: str, value: object, deep: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if deep:
            for name, inner in value.items():
                if _STEP.fullmatch(name) and name.isprintable():
                    yield from _leaves(f"{path}.{name}", inner, deep - 1)
    elif path != "args" and not isinstance(value, list):
        yield path, value if isinstance(value, str) else json.dumps(value)


def suggest(text: str, cursor: int, words: Vocabulary, *, limit: int = SHOWN) -> Suggestions:
    """Return at most `limit` suggestions at the cursor, the most likely first."""
    begin, inside = _word(text, cursor)
    typed = text[begin:cursor]
    if not typed.strip("-") or (cursor < len(text) and not text[cursor].isspace()):
        return Suggestions()
    match = _WORD.fullmatch(typed)
    if match is None:
        if inside:
            return Suggestions()
        begin += typed.startswith("-")
        return Suggestions(begin, cursor, tuple(_fields(typed.removeprefix("-"), words))[:limit])
    at = _last_alternative(match["value"])
    wanted = match["value"][at:]
    found = tuple(_values(match["field"], match["op"], _plain(wanted), words))[:limit]
    if [offer.text for offer in found] == [wanted]:
        return Suggestions()
    return Suggestions(begin + match.start("value") + at, cursor, found)


def fields(words: Vocabulary) -> Suggestions:
    """Return every field, for an empty filter."""
    return Suggestions(0, 0, tuple(_fields("", words))[: len(FIELDS) + SHOWN])


def _word(text: str, cursor: int) -> tuple[int, bool]:
    """Return the start of the word at the cursor, and whether the cursor is inside quotation marks."""
    begin, quoted = 0, False
    for character in filter_characters(text[:cursor]):
        quoted ^= character.is_mark
        if character.separates():
            begin = character.start + 1
    return begin, quoted


def _last_alternative(value: str) -> int:
    return max((character.start + 1 for character in filter_characters(value) if character.separates(",")), default=0)


def _fields(typed: str, words: Vocabulary) -> Iterator[Suggestion]:
    wanted = fold_case(typed)
    if FIELDS.get(wanted, ("",))[0] in _FIRST:
        yield from (Suggestion(f"{wanted}{operator}", _OPERATOR_HINTS[operator]) for operator in _OPERATORS)
        return
    known = [Suggestion(name + _FIRST.get(reading, ":"), hint) for name, (reading, hint) in FIELDS.items()]
    paths = [Suggestion(f"{path}:", _examples(words.values[path])) for path in words.paths]
    if not wanted:
        yield from (*known, *paths)
        return
    first = [offer for offer in (*known, *paths) if offer.text.startswith(wanted)]
    if "args.".startswith(wanted) and not paths:
        first.append(Suggestion("args.", "an argument, as in args.user.id:42"))
    values = [
        Suggestion(f"{name}:{quote_filter_value(value)}", FIELDS[name][1])
        for name in ("state", "queue", "kind", "name", "tag")
        for value in _known(name, words)
        if fold_case(value).startswith(wanted) and _usable(value)
    ]
    inside = [offer for offer in (*known, *paths) if wanted in fold_case(offer.text) and offer not in first]
    yield from (*first, *values, *inside)


_OPERATOR_HINTS = {"<": "less than", ">": "more than", "<=": "at most", ">=": "at least", ":": "exactly, or one of several"}


def _examples(values: tuple[str, ...]) -> str:
    return "such as " + safe(
        ", ".join(value if len(value) <= _EXAMPLE else value[: _EXAMPLE - 1] + "…" for value in values[:3])
    )


def _known(name: str, words: Vocabulary) -> Iterable[str]:
    match name:
        case "state":
            return [state.value for state in State]
        case "reason":
            return [reason.replace(" ", "-") for reason in Reason]
        case _:
            return words.values.get(name, ())


def _values(name: str, operator: str, typed: str, words: Vocabulary) -> Iterator[Suggestion]:
    name = name if name.startswith("args.") else name.lower()
    if FIELDS.get(name, ("",))[0] == "duration":
        known: Iterable[str] = _SPANS
    elif operator in (":", "=") or FIELDS.get(name, ("",))[0] == "number":
        known = [value for value in _known(name, words) if _usable(value)]
    else:
        return
    wanted = fold_case(typed)
    first = [value for value in known if fold_case(value).startswith(wanted)]
    yield from (Suggestion(quote_filter_value(value)) for value in first)
    yield from (Suggestion(quote_filter_value(value)) for value in known if wanted in fold_case(value) and value not in first)


def _usable(value: str) -> bool:
    """Return whether a value can be written in a filter and displayed as a suggestion."""
    return bool(value) and value.isprintable() and len(value) <= _LONGEST


def _plain(typed: str) -> str:
    """Return the text that a half-typed value stands for."""
    return "".join(character.text for character in filter_characters(typed) if not character.is_mark)
