"""Lines, blocks and dots of the terminal as shapes.

Fonts draw box characters, blocks and braille with gaps, at other widths, or not at all. Terminals draw them on their own
for this reason, and so does the picture.
"""

from __future__ import annotations

WIDTH, HEIGHT = 10, 20
"""The size of a cell."""
TOP, MIDDLE = -15, -5
"""Where a cell begins and has its middle. The texts' baseline is 0, so that no text has to say where it is."""
BLEED = 0.4
"""How far strokes reach into the line below, so that no seam shows between lines at any scale. Blocks have crisp edges."""

# Which arms of a cell are drawn: left, up, right, down.
_ARMS = {
    "─": "lr", "━": "lr", "│": "ud", "┃": "ud", "┌": "rd", "┐": "ld", "└": "ru", "┘": "lu", "├": "udr", "┤": "udl",
    "┬": "lrd", "┴": "lru", "┼": "lrud", "╴": "l", "╵": "u", "╶": "r", "╷": "d",
}  # fmt: skip
_CURVES = {
    "╭": "M{r}-5h-1q-4 0-4 4v{e}", "╮": "M{l}-5h1q4 0 4 4v{e}",
    "╰": "M{m}-15v6q0 4 4 4h1", "╯": "M{m}-15v6q0 4-4 4h-1",
}  # fmt: skip
_EIGHTHS_UP = "▁▂▃▄▅▆▇█"
_EIGHTHS_RIGHT = "▏▎▍▌▋▊▉"
# Quarters of a cell: upper left 1, upper right 2, lower left 4, lower right 8.
_QUARTERS = {"▘": 1, "▝": 2, "▀": 3, "▖": 4, "▞": 6, "▛": 7, "▗": 8, "▚": 9, "▜": 11, "▙": 13, "▟": 14}
_BRAILLE = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))


def _short(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")


def _box(x: float, y: float, width: float, height: float) -> str:
    return f"M{_short(x)} {_short(TOP + y)}h{_short(width)}v{_short(height)}h-{_short(width)}z"


def strokes(text: str, x: int) -> str | None:
    """Return the path to stroke for a run of equal box characters at a column; `None` if it is none."""
    left = x * WIDTH
    if curve := _CURVES.get(text[0]):
        return "".join(
            curve.format(l=at, m=at + WIDTH // 2, r=at + WIDTH, e=_short(6 + BLEED))
            for at in range(left, left + len(text) * WIDTH, WIDTH)
        )
    arms = _ARMS.get(text[0])
    if arms is None:
        return None
    if set(arms) == {"l", "r"}:
        return f"M{left} {MIDDLE}h{len(text) * WIDTH}"
    found = ""
    for at in range(left, left + len(text) * WIDTH, WIDTH):
        if "l" in arms or "r" in arms:
            start, end = at + 5 * ("l" not in arms), at + 5 + 5 * ("r" in arms)
            found += f"M{start} {MIDDLE}h{end - start}"
        if "u" in arms or "d" in arms:
            top, bottom = 10 * ("u" not in arms), 10 + (10 + BLEED) * ("d" in arms)
            found += f"M{at + 5} {TOP + top}v{_short(bottom - top)}"
    return found


def blocks(text: str, x: int) -> str | None:
    """Return the path to fill for a run of equal block characters at a column; `None` if it is none."""
    sign, left, wide = text[0], x * WIDTH, len(text) * WIDTH
    if sign in _EIGHTHS_UP:
        height = HEIGHT * (_EIGHTHS_UP.index(sign) + 1) / 8
        return _box(left, HEIGHT - height, wide, height)
    if sign == "▔":
        return _box(left, 0, wide, HEIGHT / 8)
    each = range(left, left + wide, WIDTH)
    if sign in _EIGHTHS_RIGHT:
        share = WIDTH * (_EIGHTHS_RIGHT.index(sign) + 1) / 8
        return "".join(_box(at, 0, share, HEIGHT) for at in each)
    if sign in "▐▕":
        share = WIDTH / (2 if sign == "▐" else 8)
        return "".join(_box(at + WIDTH - share, 0, share, HEIGHT) for at in each)
    if quarters := _QUARTERS.get(sign):
        return "".join(
            _box(at + WIDTH / 2 * (n % 2), HEIGHT / 2 * (n // 2), WIDTH / 2, HEIGHT / 2)
            for at in each
            for n in range(4)
            if quarters >> n & 1
        )
    return None


def dots(text: str, x: int) -> str | None:
    """Return the path of round dots for a run of braille characters at a column; `None` if it is none."""
    if not "\u2800" <= text[0] <= "\u28ff":
        return None
    return "".join(
        f"M{_short((x + n) * WIDTH + 2.5 + 5 * column)} {_short(TOP + 2.5 + 5 * row)}h0"
        for n, sign in enumerate(text)
        for bit, (column, row) in enumerate(_BRAILLE)
        if ord(sign) - 0x2800 >> bit & 1
    )
