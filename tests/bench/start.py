"""Measure the start-up time of the commands, compared with bare Python.

    python tests/bench/start.py [--rounds 30]

Commands alternate, round after round, so that other load on the machine affects them alike. The table shows the median,
the spread (the middle half), and the ratio to bare Python in the same round.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fill import TASKS, fill

from jobdeck import __version__


def commands(folder: Path) -> dict[str, list[str]]:
    """Return the measured commands, the baseline first."""
    jobdeck = str(Path(sys.executable).with_name("jobdeck"))
    few, many, new = (str(folder / name) for name in ("few.db", "many.db", "new.db"))
    fill(few, 100)
    fill(many, 100_000)
    fill(new, 0)
    python = sys.executable
    return {
        "python -c pass": [python, "-c", "pass"],
        "python: import jobdeck": [python, "-c", "import jobdeck"],
        "python: import click, apsw": [python, "-c", "import click, apsw"],
        "jobdeck --version": [jobdeck, "--version"],
        "jobdeck --help": [jobdeck, "--help"],
        "jobdeck enqueue (a kind)": [jobdeck, "--db", new, "--app", str(TASKS), "enqueue", "bench.sleep", "n=1"],
        "jobdeck run -- true": [jobdeck, "--db", new, "run", "--", "true"],
        "jobdeck list, 100 jobs": [jobdeck, "--db", few, "list"],
        "jobdeck list, 100,000 jobs": [jobdeck, "--db", many, "list"],
        "jobdeck show ID": [jobdeck, "--db", many, "show", "17"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    given = parser.parse_args()
    # Installed commands use cached bytecode; a shell that disables the cache would compile them at every start.
    unset = ("JOBDECK_", "PYTHONDONTWRITEBYTECODE")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
    with tempfile.TemporaryDirectory(prefix="jobdeck-bench-") as folder:
        wanted = commands(Path(folder))
        times: dict[str, list[float]] = {name: [] for name in wanted}
        for _ in range(given.rounds + 1):
            for name, command in wanted.items():
                started = time.perf_counter()
                done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True)
                times[name].append(1e3 * (time.perf_counter() - started))
                if done.returncode:
                    print(f"{name} exited {done.returncode}: {done.stderr.strip()}", file=sys.stderr)
                    return 1
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores (load {os.getloadavg()[0]:.1f})"
    print(f"jobdeck {__version__}, {machine}, {given.rounds} rounds\n")
    print(f"{'ms':28}{'median':>8}{'spread':>16}{'× python':>10}")
    bare = times["python -c pass"][1:]
    for name, all_rounds in times.items():
        rounds = all_rounds[1:]  # the first round warms the disk cache
        low, median, high = statistics.quantiles(rounds, n=4) if len(rounds) > 1 else (rounds[0],) * 3
        ratio = statistics.median(took / base for took, base in zip(rounds, bare, strict=True))
        print(f"{name:28}{median:8.1f}{f'{low:.1f} – {high:.1f}':>16}{ratio:10.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
