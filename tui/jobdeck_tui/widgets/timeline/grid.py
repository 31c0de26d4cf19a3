"""Lays out the timeline as lines of cells: lanes, leases, ticks, and arrows between the attempts of a job. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, inf

from jobdeck import record

from ...feed.lane_packing import Bar, Key, WorkerLanes
from .run_bars import BarCell, Row, Window, draw_lane

PITCHES = (4, 3, 2, 1)
"""The heights of a lane to try, in lines: the bar, and a blank line if there is more than one. The first that fits is used."""


@record
class LanePosition:
    """What a line shows: a worker, and one of its lanes, unless it is the heading of the worker."""

    worker: int
    lane: int | None = None
    line: int = 0


Grid = list[list[BarCell]]
_NOTHING, _RULE = BarCell(), BarCell("─", "line")


def lay_out(workers: Sequence[WorkerLanes], height: int) -> list[LanePosition]:
    """Return the lines, with lanes as high as fit; there may be more lines than `height`."""
    lanes = sum(len(worker.lanes) for worker in workers)
    pitch = next((pitch for pitch in PITCHES if len(workers) + lanes * pitch <= height), 1)
    places: list[LanePosition] = []
    for at, worker in enumerate(workers):
        places.append(LanePosition(at))
        places += [LanePosition(at, lane, line) for lane in range(len(worker.lanes)) for line in range(pitch)]
    return places


def draw_grid(
    workers: Sequence[WorkerLanes], places: Sequence[LanePosition], window: Window, marks: Sequence[int], chosen: Key | None
) -> Grid:
    """Return the cells of every line; `marks` are the columns of the ticks."""
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
            for at, worker in enumerate(workers)
            for lane, bars in enumerate(worker.lanes)
            for bar in bars
            if bar.run.job_id == chosen[0]
        ]
        chain.sort(key=lambda pair: pair[0].start)
        for (before, low), (after, high) in pairwise(chain):
            _arrow(grid, window, (before, low), (after, high))
    return grid


def _line(
    workers: Sequence[WorkerLanes], place: LanePosition, window: Window, marks: Sequence[int], drawn: Sequence[Row]
) -> list[BarCell]:
    """Return one line: ticks and the current time, and the bars drawn over them."""
    if place.lane is None:
        return [_RULE] * window.width
    row = [_NOTHING] * window.width
    for mark in marks:
        row[mark] = BarCell("┊", "line")
    now = int(window.place(window.now))
    if 0 <= now < window.width:
        row[now] = BarCell("│", "quiet")
    if place.line >= len(drawn):
        return row  # the blank line between two lanes
    for at, cell in enumerate(drawn[place.line]):
        if cell is not None:
            row[at] = cell
    bars = workers[place.worker].lanes[place.lane]
    if bars and bars[-1].end == inf and place.line == 0:
        _lease(row, bars[-1], window, now)
    return row


def _lease(row: list[BarCell], bar: Bar, window: Window, now: int) -> None:
    """Draw the lease of a running bar: a thin line up to its end, or a warning if it has expired."""
    until = bar.run.lease_until
    if until is None:
        return
    end = int(window.place(until))
    if until <= window.now:
        if 0 <= now + 1 < window.width:
            row[now + 1] = BarCell("!", "error")
        return
    for at in range(max(0, now + 1), min(end, window.width)):
        row[at] = BarCell("╌", "quiet")
    if now < end < window.width:
        row[end] = BarCell("┤", "quiet")


def _arrow(grid: Grid, window: Window, before: tuple[Bar, int], after: tuple[Bar, int]) -> None:
    """Draw an arrow from the end of an attempt to the start of the next one, which may be in another lane."""
    start = max(0, ceil(window.place(before[0].end) - 0.06))
    end = int(window.place(after[0].start) + 0.06) - 1
    low, high = before[1], after[1]
    if end < 0 or start >= window.width:
        return
    head = min(end, window.width - 1)
    if low == high:
        for at in range(start, head + 1):
            _over(grid, low, at, "▸" if at == end else "─")
        return
    turn = max(start, head)
    for at in range(start, turn):
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
    """Draw a character over a cell; a bar stays visible as its background."""
    below = grid[y][at]
    ground = below.ground or (below.look if below.text == "█" else "")
    grid[y][at] = BarCell(sign, "arrow", ground)
