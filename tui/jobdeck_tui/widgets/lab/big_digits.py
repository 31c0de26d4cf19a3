"""Numbers in large digits, three lines high: readable from the third row of an audience. Pure."""

from __future__ import annotations

HEIGHT = 3
_DIGITS = {
    "0": ("█▀█", "█ █", "▀▀▀"),
    "1": ("▀█ ", " █ ", "▀▀▀"),
    "2": ("▀▀█", "█▀▀", "▀▀▀"),
    "3": ("▀▀█", " ▀█", "▀▀▀"),
    "4": ("█ █", "▀▀█", "  ▀"),
    "5": ("█▀▀", "▀▀█", "▀▀▀"),
    "6": ("█▀▀", "█▀█", "▀▀▀"),
    "7": ("▀▀█", "  █", "  ▀"),
    "8": ("█▀█", "█▀█", "▀▀▀"),
    "9": ("█▀█", "▀▀█", "▀▀▀"),
    ".": (" ", " ", "▀"),
    ",": (" ", " ", "▄"),
    "-": ("  ", "▀▀", "  "),
}


def big_digits(number: str) -> list[str]:
    """Return the three lines of a number; characters that are no digits are left out."""
    shown = [_DIGITS[each] for each in number if each in _DIGITS]
    return [" ".join(each[line] for each in shown) for line in range(HEIGHT)]
