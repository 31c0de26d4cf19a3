"""Measure jobs per second in child processes and in this process, and the memory of a child.

    python tests/bench/children.py
    python tests/bench/children.py --processes 4 --rounds 7

A list replaces the database, so that only the pipes and processes are measured. Rounds alternate, and the ratio is that
of their medians. On a shared machine, rely on the CPU times: `processes × CPU alone ÷ CPU in all` is the ratio that an
idle machine could reach.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import median

from jobdeck import REGISTRY, Job, JobContext, State, SystemClock, load_apps
from jobdeck.execution.executor import execute
from jobdeck.model.attempt_result import AttemptResult
from jobdeck.processes.supervisor import ProcessSupervisor
from jobdeck.worker.active_job import ActiveJob
from jobdeck.worker.process_feeder import ProcessFeeder

TASKS = Path(__file__).with_name("tasks.py")
CLOCK = SystemClock()
TICK = os.sysconf("SC_CLK_TCK")


class Listed:
    """Serve jobs from a list."""

    def __init__(self, kind: str, args: str, number: int) -> None:
        self.jobs = deque(job(n, kind, args) for n in range(number))
        self.remaining = number
        self.done = threading.Event()

    def take(self, most: int) -> Sequence[ActiveJob] | None:
        taken = [self.jobs.popleft() for _ in range(min(most, len(self.jobs)))]
        return [ActiveJob(each, JobContext(each, CLOCK), lease_deadline=float("inf")) for each in taken] or None

    def hand_in(self, ended: Sequence[tuple[ActiveJob, AttemptResult]]) -> None:
        self.remaining -= len(ended)
        if not self.remaining:
            self.done.set()


def job(n: int, kind: str, args: str) -> Job:
    return Job(
        id=n,
        kind=kind,
        args_json=args,
        queue="default",
        priority=0,
        state=State.RUNNING,
        attempt=1,
        max_attempts=3,
        created_at=0.0,
        scheduled_at=0.0,
        lease=1,
    )


def alone(kind: str, args: str, number: int) -> tuple[float, float]:
    """Run the jobs in this thread; return jobs per second and CPU seconds per job."""
    jobs = [job(n, kind, args) for n in range(number)]
    random = Random()
    started, cpu = time.perf_counter(), time.process_time()
    for each in jobs:
        execute(each, JobContext(each, CLOCK), REGISTRY, CLOCK, random)
    return number / (time.perf_counter() - started), (time.process_time() - cpu) / number


def in_children(children: ProcessSupervisor, kind: str, args: str, number: int) -> tuple[float, float]:
    """Run the jobs in the children; return jobs per second and the CPU seconds per job of all processes."""
    source = Listed(kind, args, number)
    pump = ProcessFeeder(source, children, CLOCK)
    started, cpu = time.perf_counter(), cpu_of_all(children)
    pump.start()
    source.done.wait()
    speed = number / (time.perf_counter() - started)
    return speed, (cpu_of_all(children) - cpu) / number


def cpu_of_all(children: ProcessSupervisor) -> float:
    total = time.process_time()
    for pid in children.pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / TICK
    return total


def memory(pid: int) -> str:
    found = dict(line.split()[:2] for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return f"{int(found['Rss:']) // 1024} MB resident, {int(found['Pss:']) // 1024} MB counting shared pages by share (PSS)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=4000)
    chosen = parser.parse_args()
    load_apps([str(TASKS)])
    children = ProcessSupervisor(
        REGISTRY, processes=chosen.processes, threads=chosen.threads, apps=[str(TASKS)], clock=CLOCK, random=Random()
    )
    started = time.perf_counter()
    children.start()
    print(f"{chosen.processes} processes of {chosen.threads} threads, ready after {time.perf_counter() - started:.2f} s")
    for kind, args, what in (
        ("bench.cpu", '{"n":1,"seconds":0.001}', "1 ms of CPU"),
        ("bench.sleep", '{"n":1,"seconds":0}', "no-op"),
    ):
        one, many = [], []
        alone(kind, args, 50)
        in_children(children, kind, args, 200)
        for _ in range(chosen.rounds):
            one.append(alone(kind, args, chosen.jobs // 2))
            many.append(in_children(children, kind, args, chosen.jobs))
        speed, cpu = (median(each[n] for each in one) for n in (0, 1))
        speeds, cpus = (median(each[n] for each in many) for n in (0, 1))
        print(
            f"{what}: {speed:,.0f} jobs/s here, {speeds:,.0f} in children: {speeds / speed:.2f} ×;"
            f" CPU per job {cpu * 1e6:,.0f} µs here, {cpus * 1e6:,.0f} in all: at most {chosen.processes * cpu / cpus:.2f} ×"
        )
    for pid in children.pids:
        print(f"child {pid}: {memory(pid)}")
    print("load:", *(f"{load:.2f}" for load in os.getloadavg()))
    children.close()


if __name__ == "__main__":
    main()
