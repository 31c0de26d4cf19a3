"""Each experiment of the lab twenty times in a row: jobdeck's invariants, counted by code that shares nothing with the lab.

    python -m tests.soak.lab --times 20 --seed 7 [NAME …]

What the experiments leave behind is read here again, from the lines of the ledgers and the rows of the databases. In jobdeck's
lanes: no job is left running, what completed has ended its run, no job starts more often than it may, and no two processes run
a job at once (but for a worker that was stopped past its lease). The naive race must run jobs twice in nineteen of twenty runs.
The verdicts of the lab must say the same, and those that a viewer has seen must end with them. Afterwards no process and no
folder is left.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
from collections import Counter, defaultdict
from contextlib import closing, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

from jobdeck_tui.lab.catalog import EXPERIMENTS
from jobdeck_tui.lab.live import LiveView, LiveViewer, lanes_of
from jobdeck_tui.lab.stage import Findings, Stage

NEVER_ENDING = {"shutdown", "contention", "durability"}
"""Experiments that end with jobs still in the queue."""


def lines_of(lane: Path) -> list[dict[str, Any]]:
    ledger = lane / "ledger"
    return [json.loads(line) for line in ledger.read_text().splitlines()] if ledger.exists() else []


def rows_of(lane: Path, columns: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(lane / "jobs.db")) as database:
        found = database.execute("SELECT name FROM sqlite_master WHERE name IN ('jobs', 'jobdeck_jobs')").fetchone()
        return database.execute(f"SELECT {columns} FROM {found[0]}").fetchall()


def is_jobdeck(lane: Path) -> bool:
    with closing(sqlite3.connect(lane / "jobs.db")) as database:
        return database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'jobdeck_jobs'").fetchone() == (1,)


def double_runs(lane: Path) -> int:
    return sum(n > 1 for n in Counter(line["job"] for line in lines_of(lane) if line["event"] == "start").values())


def overlaps(lane: Path) -> int:
    """How often a job started while another process was still running it."""
    running: dict[int, dict[int, int]] = defaultdict(dict)  # job → process → attempt
    found = 0
    for line in sorted(lines_of(lane), key=lambda line: line["at"]):
        if line["event"] == "start":
            found += any(pid != line["pid"] for pid in running[line["job"]])
            running[line["job"]][line["pid"]] = line["attempt"]
        elif line["event"] == "end":
            running[line["job"]].pop(line["pid"], None)
        elif line["event"] in ("kill", "term"):
            for processes in running.values():
                processes.pop(line["pid"], None)
    return found


def problems_of(name: str, lane: Path) -> list[str]:
    """What is wrong in a lane of jobdeck."""
    lines, rows = lines_of(lane), rows_of(lane, "id, state, max_attempts")
    starts = Counter(line["job"] for line in lines if line["event"] == "start")
    ended = {line["job"] for line in lines if line["event"] == "end"}
    found = [f"job {job} is still running" for job, state, _ in rows if state == "running"]
    found += [f"job {job} is completed and never ended" for job, state, _ in rows if state == "completed" and job not in ended]
    found += [f"job {job} started {starts[job]} times" for job, _, most in rows if starts[job] > most]
    if name not in NEVER_ENDING:
        found += [f"job {job} is {state}" for job, state, _ in rows if state not in ("completed", "failed", "running")]
    if not any(line["event"] == "stop" for line in lines) and (n := overlaps(lane)):
        found.append(f"{n} runs overlap")
    return found


def disagreements(findings: Findings, folder: Path) -> list[str]:
    """Where the lab's verdicts differ from what is counted here."""
    counted = {"jobs that ran twice": double_runs, "jobs that ran in two processes at once": overlaps}
    found = []
    for each in findings.verdicts:
        lane = folder / each.lane.replace(" ", "-")
        if each.claim in counted and (n := counted[each.claim](lane)) != each.value:
            found.append(f"the lab says {each.text}, and there are {n}")
    return found


def one_run(name: str, seed: int, folder: Path) -> tuple[list[str], bool]:
    """Run an experiment; return the problems, and whether its naive race ran jobs twice."""
    module = import_module(f"jobdeck_tui.lab.experiments.{EXPERIMENTS[name].module}")
    views: list[LiveView] = []
    with Stage(folder, seed=seed) as stage:
        with (
            LiveViewer(module, stage, lambda view: views.__setitem__(slice(-1, None), [view]))
            if lanes_of(module)
            else nullcontext()
        ):
            findings: Findings = module.run(stage)
        sections = stage.look_inside(name)
    problems = (
        [f"the live verdicts end with {views[-1].verdicts}"] if views and views[-1].verdicts != tuple(findings.verdicts) else []
    )
    problems += [
        f"no plan for {each.sql}" for section in sections for each in section.statements if "no plan" in str(each.plan)
    ]
    problems += [f"the lab's own verdict: {each.text}" for each in findings.verdicts if each.is_broken]
    problems += [f"process {each.pid} is alive" for lane in stage.lanes for each in lane.processes if each.is_alive]
    for lane in stage.lanes:
        if is_jobdeck(lane.folder):
            problems += [f"{lane.name}: {each}" for each in problems_of(name, lane.folder)]
    problems += disagreements(findings, folder)
    return problems, name != "race" or double_runs(folder / "naive") > 0


def main() -> int:
    """Run the soak test as a command; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("names", nargs="*", default=[*EXPERIMENTS], metavar="NAME")
    options = parser.parse_args()
    failed = 0
    for name in options.names:
        problems: list[str] = []
        raced = 0
        for number in range(options.times):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    found, twice = one_run(name, options.seed + number, Path(folder))
                except Exception as error:
                    found, twice = [f"{type(error).__name__}: {error}"], False
            problems += [f"seed {options.seed + number}: {each}" for each in found]
            raced += twice
        if name == "race" and raced * 20 < options.times * 19:
            problems.append(f"the naive race ran jobs twice in {raced} of {options.times} runs only")
        for problem in problems[:20]:
            print(f"PROBLEM: {name}: {problem}")
        more = f", the naive lane ran jobs twice in {raced}" if name == "race" else ""
        print(f"{name}: {options.times} runs{more}, {len(problems)} problems.", flush=True)
        failed += bool(problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
