"""Encode a recording as an animated SVG without scripts, fonts or anything else from outside.

Each row of the terminal is a strip of all the lines that ever stood there, side by side; an animation that jumps moves the
strip to the line of the moment. A line that stands in several rows, as when a table scrolls, is stored once and used by its
id. Where a person has asked for reduced motion, one still frame is shown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import combinations, groupby, pairwise
from typing import Any

from tests.pictures.frames import Caption, Cell, Frame, Line, Recording
from tests.pictures.glyphs import HEIGHT, TOP, WIDTH, blocks, dots, strokes

GROUND, TEXT, QUIET, BAR, EDGE, KEY = "#0d0f14", "#c8ccd8", "#8b93a7", "#171a22", "#2b303d", "#e0af68"
"""The dark theme of the cockpit."""
FONTS = "ui-monospace,SFMono-Regular,Menlo,'DejaVu Sans Mono','Cascadia Mono',Consolas,'Liberation Mono',monospace"
_MARGIN, _TITLE, _CAPTION = 16, 38, 46
_APART = 2000
"""From one content of a strip to the next: more than the terminal's width, so that only one is in view."""
_STEP = 10
"""Rows are cut at columns that this divides."""
_WORD = 12
"""Longer words are set to their width whatever the font; shorter ones cannot be off by more than a part of a cell."""
_WORDS = re.compile(r"\S+(?: {1,12}\S+)*")
"""What is set as one text: a few spaces are shorter than the start of another."""


@dataclass
class _Colors:
    """The classes that stand for colors."""

    names: dict[str, str]

    def of(self, color: str, *more: str) -> str:
        """Return the attribute for a color and other classes; nothing if all is as usual."""
        classes = [each for each in (self._name(color), *more) if each]
        return f' class="{" ".join(classes)}"' if classes else ""

    def _name(self, color: str) -> str:
        return self.names.setdefault(color, f"c{len(self.names)}") if color else ""

    @property
    def style(self) -> str:
        return "".join(f".{name}{{color:{color}}}" for color, name in self.names.items())


def encode(recording: Recording, title: str = "") -> str:
    """Return the animated picture of a recording."""
    frames, colors = recording.frames, _Colors({})
    still = frames[recording.still]
    tiles = _tiles(frames)
    placed = Counter(content for tile in tiles for content in {*tile.contents})
    placed.update(tile.contents[recording.still] for tile in tiles)  # the still frame uses them once more
    drawn = {content: _line(content, colors) for content in placed}
    ids = {content: _id(n) for n, content in enumerate(each for each, times in placed.items() if times > 1 and drawn[each])}
    defs = "".join(f'<g id="{id}">{drawn[content]}</g>' for content, id in ids.items())
    starts = [frame.at / recording.seconds for frame in frames]

    def put(content: Line, x: int, y: int = 0) -> str:
        if content not in ids:
            return _moved(drawn[content], 0, y) if x == 0 else _line(content, colors, x // WIDTH)
        at = f' x="{x}"' * (x != 0) + f' y="{y}"' * (y != 0)
        return f'<use href="#{ids[content]}"{at}/>'

    strips = "".join(
        _moved(_strip(tile.contents, starts, recording, put), tile.x * WIDTH, tile.y * HEIGHT - TOP) for tile in tiles
    )
    shown = "".join(put(tile.contents[recording.still], tile.x * WIDTH, tile.y * HEIGHT - TOP) for tile in tiles)
    captions = [frame.caption for frame in frames]
    told = _strip(captions, starts, recording, lambda caption, x: _moved(_caption(caption), x, 0))
    return _window(
        frames[0], title, colors.style + _REDUCED, defs,
        f'<g class="play">{strips}</g><g class="still">{shown}</g>',
        f'<g class="play">{told}</g><g class="still">{_caption(still.caption)}</g>',
    )  # fmt: skip


def _id(number: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return letters[number % 26] + (f"{number // 26:x}" if number >= 26 else "")


def draw(frame: Frame, title: str = "") -> str:
    """Return the picture of one frame, which does not move."""
    colors = _Colors({})
    lines = "".join(_moved(_line(line, colors), 0, y * HEIGHT - TOP) for y, line in enumerate(frame.lines))
    return _window(frame, title, colors.style, "", lines, _caption(frame.caption))


_REDUCED = ".still{display:none}@media(prefers-reduced-motion:reduce){.play{display:none}.still{display:inline}}"


@dataclass(frozen=True)
class _Tile:
    """A part of a row, and what stands there in each frame."""

    x: int
    y: int
    contents: Sequence[Line]


def _tiles(frames: Sequence[Frame]) -> list[_Tile]:
    """Cut each row where it makes the picture smallest: what changes is cut off from what does not."""
    columns, rows = len(frames[0].lines[0]), range(len(frames[0].lines))
    edges = [*range(0, columns, _STEP), columns]
    lengths: dict[Line, int] = {}
    guess = _Colors({})
    costs: dict[tuple[int, int, int], float] = {}
    for start, end in combinations(edges, 2):
        parts = [[frame.lines[y][start:end] for frame in frames] for y in rows]
        shared = Counter(content for part in parts for content in {*part})
        for content in shared:
            if content not in lengths:
                lengths[content] = len(_line(content, guess))
        for y, part in zip(rows, parts, strict=True):
            contents, jumps = changes(part, range(len(part)))
            size = sum(lengths[each] / shared[each] + 32 * (shared[each] > 1) for each in contents if lengths[each])
            costs[y, start, end] = size + 45 + (160 + 11 * len(jumps)) * (len(jumps) > 1)
    tiles = []
    for y in rows:
        best: dict[int, tuple[float, list[int]]] = {0: (0.0, [0])}
        for end in edges[1:]:
            best[end] = min((best[start][0] + costs[y, start, end], [*best[start][1], end]) for start in edges if start < end)
        for start, end in pairwise(best[columns][1]):
            tiles.append(_Tile(start, y, [frame.lines[y][start:end] for frame in frames]))
    return tiles


def changes(row: Sequence[Any], starts: Sequence[float]) -> tuple[list[Any], list[tuple[float, int]]]:
    """Return the distinct contents of a place, and from which part of the whole time on each of them stands."""
    places: dict[object, int] = {}
    jumps: list[tuple[float, int]] = []
    for content, start in zip(row, starts, strict=True):
        place = places.setdefault(content, len(places))
        if not jumps or jumps[-1][1] != place:
            jumps.append((start, place))
    return [*places], jumps


def _strip(row: Sequence[Any], starts: Sequence[float], recording: Recording, put: Callable[[Any, int], str]) -> str:
    """Return the contents of a place side by side, and the animation that brings each of them into view at its time."""
    contents, jumps = changes(row, starts)
    whole = "".join(put(content, n * _APART) for n, content in enumerate(contents))
    if len(contents) == 1 or not whole:
        return whole
    values = ";".join(str(-place * _APART) for _, place in jumps)
    times = ";".join(f"{start:.4f}".lstrip("0").rstrip("0").rstrip(".") or "0" for start, _ in jumps)
    # Where nothing is animated, the still frame is in view.
    still = contents.index(row[recording.still]) * _APART
    return (
        f'<g transform="translate({-still})"><animateTransform attributeName="transform" type="translate" calcMode="discrete"'
        f' dur="{recording.seconds}s" repeatCount="indefinite" values="{values}" keyTimes="{times}"/>{whole}</g>'
    )


def _moved(drawn: str, x: int, y: int) -> str:
    if not drawn or (x, y) == (0, 0):
        return drawn
    return f'<g transform="translate({x}{f" {y}" if y else ""})">{drawn}</g>'


def _line(line: Line, colors: _Colors, left: int = 0) -> str:
    """Return the drawing of one line that begins at a column."""
    shapes: dict[tuple[str, str], str] = {}
    texts = []
    for x, cells in _runs(line, left, lambda cell: cell.ground):
        if ground := cells[0].ground:
            drawn = f"M{x * WIDTH} {TOP}h{len(cells) * WIDTH}v{HEIGHT}h-{len(cells) * WIDTH}z"
            shapes["", ground] = shapes.get(("", ground), "") + drawn
    for x, cells in _runs(line, left, lambda cell: (cell.text, cell.color)):
        text = "".join(cell.text for cell in cells)
        for kind, shape in (("s", strokes), ("b", blocks), ("d", dots)):
            if text and (drawn := shape(text, x)):
                shapes[kind, cells[0].color] = shapes.get((kind, cells[0].color), "") + drawn
    for x, cells in _runs(_spaced(line), left, lambda cell: cell[1:2] + cell[3:]):
        texts += _texts(x, cells, colors, (left, left + len(line)))
    paths = [f'<path{colors.of(color, kind if kind in "sd" else "")} d="{drawn}"/>' for (kind, color), drawn in shapes.items()]
    return "".join([*paths, *texts])


def _runs(line: Line, x: int, key: Callable[[Cell], object]) -> Iterator[tuple[int, list[Cell]]]:
    for _, same in groupby(line, key=key):
        cells = [*same]
        yield x, cells
        x += len(cells)


def _spaced(line: Line) -> Line:
    """Let each space look like what stands before it, so that it does not end a text."""
    looks: Cell = Cell()
    spaced = []
    for cell in line:
        looks = looks if cell.text == " " and not cell.underline else cell
        spaced.append(looks._replace(text=cell.text) if looks is not cell else cell)
    return tuple(spaced)


def _texts(x: int, cells: Sequence[Cell], colors: _Colors, edges: tuple[int, int]) -> Iterator[str]:
    """Yield the texts of a run of cells that look the same, each set at its column."""
    first = cells[0]
    marks = (first.bold and "b", first.italic and "i", first.underline and "u", first.strike and "k")
    more = [mark for mark in marks if mark]
    plain = "".join(cell.text if _is_plain(cell.text) else " " for cell in cells)
    for found in _WORDS.finditer(plain):
        word, start, end = found[0], x + found.start(), x + found.end()
        # A word that goes on in the next tile must not leave a gap before it.
        exact = len(word) > _WORD or (len(word) > 1 and (start == edges[0] or end == edges[1]))
        length = f' textLength="{len(word) * WIDTH}"' if exact else ""
        yield f'<text{colors.of(first.color, *more)} x="{start * WIDTH}"{length}>{escape(word, quote=False)}</text>'
    for n, cell in enumerate(cells):
        if cell.text.strip(" \u2800") and not _is_plain(cell.text) and not _is_shape(cell.text):
            middle = (x + n) * WIDTH + WIDTH // 2
            yield f'<text{colors.of(first.color, "m", *more)} x="{middle}">{escape(cell.text, quote=False)}</text>'


def _is_plain(text: str) -> bool:
    """Whether every font has it. Other signs may come from another font, with another width: each stands alone in its cell."""
    return len(text) == 1 and (text.isascii() or text in "·—–…×")


def _is_shape(text: str) -> bool:
    return any(shape(text, 0) for shape in (strokes, blocks, dots))


def _caption(caption: Caption) -> str:
    """Return a key as a cap and what it is pressed for."""
    wide = len(caption.key) * 11 + 22 if caption.key else 0
    cap = (
        f'<rect class="cap" x="0" y="8" width="{wide}" height="30" rx="6"/><text class="key" x="{wide / 2}" y="29">'
        f"{escape(caption.key, quote=False)}</text>"
        if wide
        else ""
    )
    return f'{cap}<text class="say" x="{wide + 14 * (wide > 0)}" y="29">{escape(caption.text, quote=False)}</text>'


def _window(frame: Frame, title: str, style: str, defs: str, inside: str, below: str) -> str:
    columns, rows = len(frame.lines[0]), len(frame.lines)
    width, height = columns * WIDTH, rows * HEIGHT
    wide, high = width + 2 * _MARGIN, _TITLE + height + _CAPTION + 6
    style = (
        f"svg{{color:{TEXT}}}text{{white-space:pre;fill:currentColor;font:16.6px {FONTS}}}"
        "path{fill:currentColor;shape-rendering:crispEdges}.s,.d{shape-rendering:auto}.s{fill:none;stroke:currentColor;stroke-width:1.3}"
        ".d{stroke:currentColor;stroke-width:2.9;stroke-linecap:round}"
        ".b{font-weight:700}.i{font-style:italic}.u{text-decoration:underline}.k{text-decoration:line-through}"
        ".m{text-anchor:middle}"
        f".t{{fill:{QUIET};text-anchor:middle}}"
        f".cap{{fill:{GROUND};stroke:{KEY};stroke-width:1.5}}"
        f".key{{fill:{KEY};font-size:18px;font-weight:700;text-anchor:middle}}"
        f".say{{font:19px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif}}{style}"
    )
    dots = "".join(
        f'<circle cx="{24 + 22 * n}" cy="19" r="6.5" fill="{color}"/>'
        for n, color in enumerate(("#f7768e", "#e0af68", "#7fb685"))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}"'
        f' role="img" xml:space="preserve">'
        f"<title>{escape(title, quote=False)}</title><style>{style}</style><defs>{defs}</defs>"
        f'<rect x=".75" y=".75" width="{wide - 1.5}" height="{high - 1.5}" rx="11"'
        f' fill="{BAR}" stroke="{EDGE}" stroke-width="1.5"/>'
        f'<path style="fill:{GROUND}" d="M1.5 {_TITLE}h{wide - 3}v{height + 6}h-{wide - 3}z"/>'
        f'{dots}<text class="t" x="{wide / 2}" y="25">{escape(title, quote=False)}</text>'
        f'<svg x="{_MARGIN}" y="{_TITLE + 3}" width="{width}" height="{height}" viewBox="0 0 {width} {height}">{inside}</svg>'
        f'<svg x="{_MARGIN}" y="{_TITLE + 6 + height}" width="{width}" height="{_CAPTION}">{below}</svg></svg>\n'
    )
