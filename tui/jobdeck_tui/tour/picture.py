"""The picture of an act while it runs: lines of pieces, each with a meaning, as the screen's text panels take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobdeck import record

from ..lab.audit import Verdict

Line = list[tuple[str, str]]
"""Pieces of text and meaning."""
_BAR = 24
_BAD = frozenset(("twice", "overwritten", "lost"))


@record
class ActResult:
    """The result of an act."""

    headline: str
    """One sentence with the numbers."""
    lines: Sequence[Line]
    """The picture at its end."""
    is_broken: bool = False
    """`True` if jobdeck broke a promise: it must be said, and not be talked over."""


def bar(value: float, most: float, width: int = _BAR) -> str:
    """Return a bar; a value above 0 is visible."""
    return "█" * max(1, round(width * value / most)) if value and most else ""


def figure_lines(figures: Mapping[str, Mapping[str, float]]) -> list[Line]:
    """Return a line for each number of each lane, with a bar beside those of the other lanes."""
    most: dict[str, float] = {}
    for counted in figures.values():
        for name, value in counted.items():
            most[name] = max(value, most.get(name, 0.0))
    lines: list[Line] = []
    for lane, counted in figures.items():
        lines.append([(lane, "accent")])
        for name, value in counted.items():
            meaning = "error" if name in _BAD and value else "strong"
            lines.append(
                [
                    (f"  {name:<12} ", "quiet"),
                    (f"{value:>7,g} ", meaning),
                    (bar(value, most[name]), "error" if name in _BAD else "accent"),
                ]
            )
    return lines


def verdict_lines(verdicts: Sequence[Verdict]) -> list[Line]:
    """Return a line for each verdict."""
    return [
        [
            ("✓ " if each.holds else "✗ ", "good" if each.holds else "error"),
            (f"{each.lane}: ", "quiet"),
            (f"{each.value:g} ", "strong"),
            (each.claim, ""),
            ("" if each.holds else f"  must be {each.limit}", "quiet"),
        ]
        for each in verdicts
    ]
