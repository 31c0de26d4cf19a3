"""Compares texts without regard to case, in every script and the same on every store. Pure.

Unicode's full case folding is the base: `ß` equals `SS`. The dotted and the dotless i of Turkish equal `i`, so that `istanbul`
finds `İSTANBUL` and `ısparta` finds `ISPARTA`, whatever the locale.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import chain

from .filter_text import Pattern, parse_value

DOTTED = ("i\N{COMBINING DOT ABOVE}", "i")
"""What programs make of a dotted capital I, and what it equals."""
_CASED = (range(0x41, 0x2E80), range(0xA640, 0xAC00), range(0xFB00, 0x1F000))
"""The code points among which are all that folding changes."""


def fold_case(text: str) -> str:
    """Return the text without the difference between capital and small letters."""
    if text.isascii():
        return text.lower()
    return text.casefold().replace("ı", "i").replace(*DOTTED)


@cache
def _foldings() -> dict[str, list[tuple[str, str]]]:
    """Return, for each character of a folded text, the characters whose folding contains it, each with its folding."""
    found: dict[str, list[tuple[str, str]]] = {}
    for character in map(chr, chain(*_CASED)):
        folded = fold_case(character)
        if folded != character:
            for each in folded:
                found.setdefault(each, []).append((character, folded))
    return found


def foldings_into(text: str) -> Mapping[str, str]:
    """Return the characters that must be folded to find the folded text in another one, each with its folding.

    No other character can be part of a match, so that folding it makes no difference.
    """
    known = _foldings()
    return dict(chain.from_iterable(known.get(each, ()) for each in dict.fromkeys(text)))


def fold_value(value: str | Pattern) -> Pattern:
    """Return the value of a filter with its literal pieces folded."""
    return value.convert(fold_case) if isinstance(value, Pattern) else Pattern((fold_case(value),))


class _Finder:
    """Finds one value in texts."""

    def __init__(self, value: str | Pattern) -> None:
        folded = fold_value(value)
        characters = "".join(folded.literals)
        self._foldings = [*foldings_into(characters).items()]
        self._table = {ord(each): to for each, to in self._foldings}
        self._dotted = "i" in characters
        self._find = re.compile(folded.write(".*", ".", re.escape), re.DOTALL).search

    @staticmethod
    @lru_cache(maxsize=64)
    def of(written: str) -> _Finder:
        """Return the finder of the value that is written so."""
        return _Finder(parse_value(written))

    def finds(self, text: str) -> bool:
        """Return whether the text contains the value."""
        if text.isascii():
            text = text.translate(self._table)
        else:  # `translate` would take 80 ns for each character, and let no other thread run: a second for ten megabytes
            for character, folded in self._foldings:  # the order does not matter: what a character becomes is folded already
                text = text.replace(character, folded)
        return self._find(text.replace(*DOTTED) if self._dotted else text) is not None


def contains(text: str, written: str) -> bool:
    """Return whether the text contains a value that is written so in a filter, in any case."""
    return _Finder.of(written).finds(text)


def find_all(text: str, part: str) -> Iterator[tuple[int, int]]:
    """Yield where the text contains the part in any case, as start and end. They do not overlap.

    A character that folds to several, as `ß` does, belongs to a match as a whole.
    """
    wanted = fold_case(part)
    if not wanted:
        return
    folded, places = (text.lower(), range(len(text))) if text.isascii() else _fold_with_places(text)
    at, last = folded.find(wanted), 0
    while at >= 0:
        end = at + len(wanted)
        if places[at] >= last:
            last = places[end - 1] + 1
            yield places[at], last
        at = folded.find(wanted, end)


def _fold_with_places(text: str) -> tuple[str, Sequence[int]]:
    """Return the folded text, and for each of its characters the index of the one that it comes from."""
    folded: list[str] = []
    places: list[int] = []
    for at, character in enumerate(text):
        if folded and (folded[-1] + character) == DOTTED[0]:
            continue
        for each in fold_case(character):
            folded.append(each)
            places.append(at)
    return "".join(folded), places
