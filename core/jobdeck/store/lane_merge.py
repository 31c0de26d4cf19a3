"""Merges the lanes of a claim: finds the first ready jobs of many lanes, without reading as many of each lane.

A claim of n jobs takes the first n of all lanes together, in the order of the claim. The first of each lane is read, but
further ones only of those lanes from which all that were read are among the first n. So a claim reads about as many rows as
there are lanes and jobs, not the product of both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

FEW_LANES = 4
"""The number of lanes up to which a single statement reads enough of each."""
_FURTHER = 4
"""The factor by which each round reads more jobs of a lane."""

Lane = tuple[str, str]
"""A queue and a kind."""
Head = tuple[int, int, int]
"""The number of the lane, the priority and the id of a ready job."""


def first_of_lanes(lanes: Sequence[Lane], limit: int, read: Callable[[Sequence[int], int], Sequence[Head]]) -> list[Head]:
    """Return the first `limit` ready jobs of all lanes, in the order of the claim: priority first, then the id.

    Args:
        lanes: the lanes.
        limit: the number of jobs at most.
        read: numbers of lanes, and a number of jobs → that many of the first ready jobs of each of these lanes, in any order;
            of all of them together, the first `limit` suffice.
    """
    wanted: Sequence[int] = range(len(lanes))
    depth = max(1, limit // len(lanes))
    first: list[Head] = []
    while wanted:
        found = read(wanted, depth)
        again = set(wanted)
        first = sorted([head for head in first if head[0] not in again] + [*found], key=_order)[:limit]
        taken = Counter(head[0] for head in first)
        wanted = [lane for lane in wanted if taken[lane] == depth < limit]
        depth = min(limit, depth * _FURTHER)
    return first


def _order(head: Head) -> tuple[int, int]:
    return -head[1], head[2]
