"""A timeline's lines of cells before they are coloured: lanes, leases, ticks, arrows between the attempts of a job. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, inf

from ...feed.lane_packing import Bar, Key, WorkerLanes
from .run_bars import Cell, Row, Window, draw_lane

PITCHES = (4, 3, 2, 1)
"""Lines of a lane: the bar, and one between where there are more than one; the first that fits is used."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a line belongs to: a worker, and one of its lanes unless it is the worker's own line."""

    worker: int
    lane: int | None = None
    line: int = 0


Grid = list[list[Cell]]
_NOTHING, _RULE = Cell(), Cell("─", "line")


def lay_out(workers: Sequence[WorkerLanes], height: int) -> list[Place]:
    """The lines, with as much air as the height has room for; there may be more than fit."""
    lanes = sum(len(each.lanes) for each in workers)
    pitch = next((pitch for pitch in PITCHES if len(workers) + lanes * pitch <= height), 1)
    places: list[Place] = []
    for at, each in enumerate(workers):
        places.append(Place(at))
        places += [Place(at, lane, line) for lane in range(len(each.lanes)) for line in range(pitch)]
    return places


def draw(
    workers: Sequence[WorkerLanes], places: Sequence[Place], window: Window, marks: Sequence[int], chosen: Key | None
) -> Grid:
    """The cells of every line. `marks`: the cells in which ticks stand."""
    pitch = 1 + max((place.line for place in places), default=0)
    grid = []
    drawn: list[Row] = []
    for place in places:
        if place.lane is not None and place.line == 0:
            drawn = draw_lane(workers[place.worker].lanes[place.lane], window, chosen, max(1, pitch - 1))
        grid.append(_line(workers, place, window, marks, drawn))
    if chosen is not None:
        tops = {(place.worker, place.lane): y for y, place in enumerate(places) if place.line == 0}
        chain = [
            (bar, tops[at, lane])
            for at, each in enumerate(workers)
            for lane, bars in enumerate(each.lanes)
            for bar in bars
            if bar.run.job_id == chosen[0]
        ]
        chain.sort(key=lambda pair: pair[0].begin)
        for (before, low), (after, high) in pairwise(chain):
            _arrow(grid, window, (before, low), (after, high))
    return grid


def _line(
    workers: Sequence[WorkerLanes], place: Place, window: Window, marks: Sequence[int], drawn: Sequence[Row]
) -> list[Cell]:
    """One line: ticks and now, and over them the bars, where it is one of theirs."""
    if place.lane is None:
        return [_RULE] * window.width
    row = [_NOTHING] * window.width
    for mark in marks:
        row[mark] = Cell("┊", "line")
    now = int(window.place(window.now))
    if 0 <= now < window.width:
        row[now] = Cell("│", "quiet")
    if place.line >= len(drawn):
        return row  # the air between two lanes
    for at, cell in enumerate(drawn[place.line]):
        if cell is not None:
            row[at] = cell
    bars = workers[place.worker].lanes[place.lane]
    if bars and bars[-1].end == inf and place.line == 0:
        _lease(row, bars[-1], window, now)
    return row


def _lease(row: list[Cell], bar: Bar, window: Window, now: int) -> None:
    """Where the lease of a running bar ends: beyond now as a thin line, in time; before now as a warning."""
    until = bar.run.lease_until
    if until is None:
        return
    end = int(window.place(until))
    if until <= window.now:
        if 0 <= now + 1 < window.width:
            row[now + 1] = Cell("!", "error")
        return
    for at in range(max(0, now + 1), min(end, window.width)):
        row[at] = Cell("╌", "quiet")
    if now < end < window.width:
        row[end] = Cell("┤", "quiet")


def _arrow(grid: Grid, window: Window, before: tuple[Bar, int], after: tuple[Bar, int]) -> None:
    """From the end of an attempt to the beginning of the next one, which may be in another lane."""
    begin = max(0, ceil(window.place(before[0].end) - 0.06))
    end = int(window.place(after[0].begin) + 0.06) - 1
    low, high = before[1], after[1]
    if end < 0 or begin >= window.width:
        return
    head = min(end, window.width - 1)
    if low == high:
        for at in range(begin, head + 1):
            _over(grid, low, at, "▸" if at == end else "─")
        return
    turn = max(begin, head)
    for at in range(begin, turn):
        _over(grid, low, at, "─")
    if turn >= window.width:
        return
    down = high > low
    _over(grid, low, turn, "╮" if down else "╯")
    for y in range(min(low, high) + 1, max(low, high)):
        _over(grid, y, turn, "│")
    if end < window.width:
        _over(grid, high, turn, "▸" if turn == end else "╰" if down else "╭")


def _over(grid: Grid, y: int, at: int, sign: str) -> None:
    """Draw over what is there: a bar stays visible behind it."""
    there = grid[y][at]
    ground = there.ground or (there.look if there.text == "█" else "")
    grid[y][at] = Cell(sign, "arrow", ground)
