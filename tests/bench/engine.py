"""Measure the engine against its targets, and print one table, misses included.

    python tests/bench/engine.py                      everything, four to six minutes
    python tests/bench/engine.py --quick              everything within 90 seconds, with rough figures
    python tests/bench/engine.py --only drain,wakeup --rounds 9

Compared variants alternate, round after round, so that other load on the machine affects them alike. The table shows the
median of the rounds and their spread (smallest to largest); a ratio is the median of the rounds' ratios. All processes
and files are removed at the end.
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
    "drain": "no-op jobs per second, compared with Huey and bare SQLite",
    "fairness": "four processes competing for one file",
    "contention": "fifty processes on one file, and one to four",
    "enqueue": "one thread, eight threads, in bulk",
    "wakeup": "from enqueue to the handler's start in an idle worker, and the CPU of an idle worker",
    "claimcost": "claims, counts and pages in millions of rows",
    "cpu": "1 ms CPU-bound handlers in one process and in two",
    "beside": "no-op jobs beside one CPU-bound handler thread",
    "memory": "peak memory of a worker",
}
QUICK = {"rounds": 2, "seconds": 0.6, "jobs": 40_000, "rows": 100_000, "bulk": 20_000, "tries": 100}
QUICK |= {"fighting": 4.0, "idle": 4.0}


def main() -> int:
    given = _parser().parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):  # so that everything is cleaned up
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    wanted = [name.strip() for name in given.only.split(",")] if given.only else list(PARTS)
    if unknown := [name for name in wanted if name not in PARTS]:
        print(f"Unknown measurement {unknown[0]!r}; choose from: {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    overrides = {"rounds": given.rounds, "seconds": given.seconds, "jobs": given.jobs}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="jobdeck-bench-", dir=given.folder, ignore_cleanup_errors=True) as folder:
        sizes = (QUICK if given.quick else {}) | {name: value for name, value in overrides.items() if value is not None}
        header = _header(Path(folder))
        if not given.json:
            print("\n".join(header.values()), flush=True)
        started = time.monotonic()
        for name in wanted:
            rows += _measure(name, Path(folder), sizes, verbose=not given.json)
        took = time.monotonic() - started
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
    parser.add_argument("--only", metavar="NAME[,NAME]", help="run these measurements only")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"rounds of each variant (default {Scale.rounds})")
    parser.add_argument("--seconds", type=float, metavar="S", help=f"seconds per variant and round (default {Scale.seconds})")
    parser.add_argument("--jobs", type=int, metavar="N", help=f"pending jobs for drain (default {Scale.jobs:,})")
    parser.add_argument("--quick", action="store_true", help="run a small, rough version, to check that the script works")
    parser.add_argument("--folder", help="folder for the databases, on a disk, not in memory (default: the temporary folder)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def _header(folder: Path) -> dict[str, str]:
    return {
        "versions": f"jobdeck {__version__}, Python {platform.python_version()}, SQLite {apsw.sqlite_lib_version()}"
        f" (apsw {apsw.apsw_version()})",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, databases on {file_system(folder)}",
        "before": f"before: {_state(folder)}",
        "durability": f"synchronous={DURABILITY}: acknowledged writes survive power loss; Huey runs at the same level.",
        "peers": f"peers: {peers.describe()}",
    }


def _state(folder: Path) -> str:
    """Describe the load of the machine and its disk."""
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    p50, p99 = sync_milliseconds(folder)
    return f"load average {load}; a disk sync takes {p50:.2f} ms (p99 {p99:.2f} ms)"


def _measure(name: str, folder: Path, sizes: dict[str, float], *, verbose: bool) -> list[Row]:
    """Return the rows of one measurement, or one row with the error if it failed."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=folder, ignore_cleanup_errors=True) as own:
        scale = replace(Scale(folder=Path(own)), **sizes)  # type: ignore[arg-type]
        try:
            measure: Measure = importlib.import_module(name).measure
            rows = measure(scale)
        except (Failed, AssertionError, OSError, apsw.Error) as error:
            print(f"{name}: {error}", file=sys.stderr)
            rows = [Row(what=name, unit="", values=[], note=f"failed: {str(error).strip().splitlines()[-1][:100]}")]
    if verbose:
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return [replace(row, part=name) for row in rows]


# -- the table ------------------------------------------------------------------------------------

_HEADINGS = ("what", "target", "measured", "spread", "ratio", "", "durability", "note")
_RIGHT = {2, 3, 4}


def table(rows: Sequence[Row]) -> str:
    """Format the figures as a table."""
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
