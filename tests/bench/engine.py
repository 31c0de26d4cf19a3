"""The engine, measured: one command, one table. What was promised stands beside what was found, misses included.

    python tests/bench/engine.py                      everything, four to six minutes
    python tests/bench/engine.py --quick              everything, small and rough, within 90 seconds
    python tests/bench/engine.py --only drain,wakeup --rounds 9

Variants that are compared are run in turn, round after round, so that what else the machine does meets all of them
alike. Shown are the median of the rounds and their spread (smallest to largest); a ratio is the median of the
rounds' ratios. Every process and file is removed at the end.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import apsw
import peers
from figures import Measure, Row, Scale
from processes import DURABILITY, Failed, file_system, sync_milliseconds

from jobdeck import __version__

PARTS = {
    "drain": "no-op jobs a second, beside Huey and beside bare SQLite",
    "fairness": "four processes that fight for one file",
    "enqueue": "one thread, eight threads, in bulk",
    "wakeup": "from enqueue to the handler's start in an idle worker, and what idling costs",
    "claimcost": "claims, counts and pages with millions of rows",
    "cpu": "1 ms CPU-bound handlers in one process and in two",
    "beside": "no-op jobs beside one CPU-bound handler thread",
    "memory": "peak memory of a worker",
}
QUICK = {"rounds": 2, "seconds": 0.6, "jobs": 40_000, "rows": 100_000, "bulk": 20_000, "tries": 100}
QUICK |= {"fighting": 4.0, "idle": 4.0}


def main() -> int:
    given = _parser().parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):  # everything is cleaned up then, too
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    wanted = [name.strip() for name in given.only.split(",")] if given.only else list(PARTS)
    if unknown := [name for name in wanted if name not in PARTS]:
        print(f"There is no measurement {unknown[0]!r}. There are: {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    asked = {"rounds": given.rounds, "seconds": given.seconds, "jobs": given.jobs}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="jobdeck-bench-", dir=given.folder, ignore_cleanup_errors=True) as folder:
        sizes = (QUICK if given.quick else {}) | {name: value for name, value in asked.items() if value is not None}
        header = _header(Path(folder))
        if not given.json:
            print("\n".join(header.values()), flush=True)
        began = time.monotonic()
        for name in wanted:
            rows += _measured(name, Path(folder), sizes, told=not given.json)
        took = time.monotonic() - began
        header["after"] = f"after:  {_state(Path(folder))}"
    if given.json:
        print(json.dumps({**header, "seconds": round(took, 1), "rows": [_document(row) for row in rows]}, ensure_ascii=False))
    else:
        print(f"\n{table(rows)}\n\n{header['after']}\n{_summary(rows, took)}")
    return 1 if any(row.note.startswith("failed: ") for row in rows) else 0


def _parser() -> argparse.ArgumentParser:
    parts = "\n".join(f"  {name:12}{what}" for name, what in PARTS.items())
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"measurements:\n{parts}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="NAME[,NAME]", help="these measurements only")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"how often each variant runs (default {Scale.rounds})")
    parser.add_argument("--seconds", type=float, metavar="S", help=f"how long a variant runs (default {Scale.seconds})")
    parser.add_argument("--jobs", type=int, metavar="N", help=f"pending jobs of a drain (default {Scale.jobs:,})")
    parser.add_argument("--quick", action="store_true", help="small and rough: to see that it works")
    parser.add_argument("--folder", help="where the databases go; a disk, not memory (default: the temporary folder)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def _header(folder: Path) -> dict[str, str]:
    return {
        "versions": f"jobdeck {__version__}, Python {platform.python_version()}, SQLite {apsw.sqlite_lib_version()}"
        f" (apsw {apsw.apsw_version()})",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, databases on {file_system(folder)}",
        "before": f"before: {_state(folder)}",
        "durability": f"synchronous={DURABILITY}: what is acknowledged survives power loss. So do the peers' figures.",
        "peers": f"peers: {peers.describe()}",
    }


def _state(folder: Path) -> str:
    """How busy the machine is with other things."""
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    typical, seldom = sync_milliseconds(folder)
    return f"load average {load}; a sync of the disk takes {typical:.2f} ms (p99 {seldom:.2f} ms)"


def _measured(name: str, folder: Path, sizes: dict[str, float], *, told: bool) -> list[Row]:
    """The rows of one measurement; one that says why, if it could not be made."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=folder, ignore_cleanup_errors=True) as own:
        scale = replace(Scale(folder=Path(own)), **sizes)  # type: ignore[arg-type]
        try:
            measure: Measure = importlib.import_module(name).measure
            rows = measure(scale)
        except (Failed, AssertionError, OSError, apsw.Error) as error:
            print(f"{name}: {error}", file=sys.stderr)
            rows = [Row(what=name, unit="", values=[], note=f"failed: {str(error).strip().splitlines()[-1][:100]}")]
    if told:
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return [replace(row, part=name) for row in rows]


# -- the table ------------------------------------------------------------------------------------

_HEADINGS = ("what", "target", "measured", "spread", "ratio", "", "durability", "note")
_RIGHT = {2, 3, 4}


def table(rows: Sequence[Row]) -> str:
    """The figures as text."""
    cells = [_HEADINGS, *map(_cells, rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADINGS))]
    lines = []
    for line in cells:
        padded = (
            cell.rjust(width) if n in _RIGHT else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        lines.append("  ".join(padded).rstrip())
    lines.insert(1, "─" * max(map(len, lines)))
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    measured = "–" if row.median is None else f"{_number(row.median)} {row.unit}"
    spread = f"{_number(min(row.values))} – {_number(max(row.values))}" if len(row.values) > 1 else ""
    found = "" if row.ratio is None else f"{row.ratio:.2f}"
    return row.what, row.target, measured, spread, found, row.verdict, row.durability, row.note


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def _document(row: Row) -> dict[str, object]:
    return {**asdict(row), "median": row.median, "verdict": row.verdict}


def _summary(rows: Sequence[Row], took: float) -> str:
    judged = [row for row in rows if row.ok is not None]
    missed = [row for row in judged if not row.ok]
    text = f"{len(judged) - len(missed)} of {len(judged)} targets reached, in {took:.0f} s."
    return f"{text}\nMissed: {'; '.join(row.what for row in missed)}." if missed else text


if __name__ == "__main__":
    sys.exit(main())
