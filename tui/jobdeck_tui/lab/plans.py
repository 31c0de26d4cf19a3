"""Query plans as trees: each node on a line of its own, two blanks deeper than the one above it."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PART = re.compile(r"(CTE|InitPlan|SubPlan) ")


def sqlite_plan(rows: Iterable[tuple[object, ...]]) -> tuple[str, ...]:
    """Return the plan of SQLite.

    Args:
        rows: what `EXPLAIN QUERY PLAN` returns: id, id of the node above, an unused number, text.
    """
    depth: dict[object, int] = {0: -1}
    lines = []
    for node, above, _, text in rows:
        depth[node] = depth.get(above, -1) + 1
        lines.append(f"{'  ' * depth[node]}{text}")
    return tuple(lines)


def postgres_plan(text: Iterable[str]) -> tuple[str, ...]:
    """Return the plan of PostgreSQL, with the conditions of a node behind it.

    Args:
        text: the lines that `EXPLAIN` returns. A node starts with an arrow; its conditions and its parts follow, further right.
    """
    lines: list[str] = []
    above: list[int] = []
    for line in text:
        words = line.lstrip()
        column = len(line) - len(words)
        if above and not words.startswith("->") and not _PART.match(words):
            lines[-1] += f" · {words}"
            continue
        while above and above[-1] >= column:
            above.pop()
        lines.append(f"{'  ' * len(above)}{words.removeprefix('->  ')}")
        above.append(column)
    return tuple(lines)
