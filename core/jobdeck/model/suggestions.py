"""Suggests the name that a mistyped one may mean. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def closest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to a mistyped one; `None` if none is.

    The last part of a dotted name (`send` for `mail.send`) and the start of a name (`stat` for `state`) count as similar.
    """
    from difflib import get_close_matches  # imported late: needed for mistakes only

    names = {each.lower(): each for each in known}
    ends = {each.rpartition(".")[2]: each for each in names}
    wanted = name.lower()
    for exact in (names, ends):
        if wanted in exact:
            return names[ends.get(wanted, wanted)] if exact is ends else names[wanted]
    starts = [each for each in names if len(wanted) > 1 and each.startswith(wanted)]
    if starts:
        return names[starts[0]] if len(starts) == 1 else None
    if close := get_close_matches(wanted, names, n=1):
        return names[close[0]]
    close = get_close_matches(wanted, ends, n=1, cutoff=0.75)
    return names[ends[close[0]]] if close else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean state?` if a known name is similar; otherwise an empty text."""
    found = closest_name(name, known)
    return "" if found is None else f"; did you mean {found}?"
