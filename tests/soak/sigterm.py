"""SIGTERM at random moments: a terminated worker leaves no job running and loses no attempt.

    python tests/soak/sigterm.py --moments 200 --seed 7

For each moment, start a worker on a queue of short, longer and unresponsive jobs, terminate it at a random point, and wait
for its exit. Then: it exited with 0 within its grace; no job is `running`; no job was claimed after the signal; jobs that
had not started have their attempt back.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from jobdeck import Job, Queue, Settings, State, load_apps

APP = """
import time
from jobdeck import context, job

@job(name="sigterm.noop")
def noop() -> None:
    pass

@job(name="sigterm.nap")
def nap(seconds: float) -> None:
    time.sleep(seconds)

@job(name="sigterm.polite")
def polite() -> None:
    context().sleep(60)

@job(name="sigterm.deaf")
def deaf() -> None:
    time.sleep(60)
"""
GRACE = 1.5
ALLOWED = 0.25
"""Seconds allowed between the signal and its arrival in a thread of a busy process on a busy machine."""


def one_moment(folder: Path, queue: Queue, random: Random) -> list[str]:
    """Start a worker, terminate it at a random point, and return the problems found."""
    drafts = [queue.new_job("sigterm.noop") for _ in range(400)]
    drafts += [queue.new_job("sigterm.nap", {"seconds": random.uniform(0, 0.1)}) for _ in range(20)]
    drafts += [queue.new_job(random.choice(["sigterm.polite", "sigterm.deaf"])) for _ in range(random.randint(0, 2))]
    random.shuffle(drafts)
    queue.enqueue_many(drafts)
    environment = {**os.environ, "JOBDECK_SHUTDOWN_GRACE": str(GRACE), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    argv = [sys.executable, "-m", "jobdeck_tui", "--db", queue.where, "--app", str(folder / "sigterm_tasks.py"), "worker"]
    process = subprocess.Popen([*argv, "--threads", "4"], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    output = process.stderr.readline()  # from here on it runs jobs and handles signals
    time.sleep(random.uniform(0.0, 0.4))
    signaled_at = time.time()
    process.terminate()
    output += process.stderr.read()
    status = process.wait()
    took = time.time() - signaled_at
    problems = []
    if status != 0:
        problems.append(f"exit status {status}: {output[-500:]}")
    if took > GRACE + 1.0:
        problems.append(f"it took {took:.2f} s to exit, with a grace of {GRACE:g} s")
    jobs: list[Job] = [*queue.list("", limit=10_000)]
    problems += [f"job {job.id} {job.kind} is still running" for job in jobs if job.state is State.RUNNING]
    late = [job for job in jobs if job.started_at is not None and job.started_at > signaled_at + ALLOWED]
    problems += [
        f"job {job.id} was claimed {job.started_at - signaled_at:.2f} s after the signal" for job in late if job.started_at
    ]
    problems += [
        f"job {job.id} waits and has lost attempt {job.attempt}" for job in jobs if job.state is State.PENDING and job.attempt
    ]
    queue.delete_many(queue.ids("state:pending,completed,failed,cancelled,scheduled,retrying"))
    return problems


def moments(folder: Path, count: int, seed: int) -> list[str]:
    """Run `count` moments and return all problems."""
    random = Random(seed)
    (folder / "sigterm_tasks.py").write_text(APP)
    load_apps([str(folder / "sigterm_tasks.py")])
    problems: list[str] = []
    with Queue(settings=Settings(database=str(folder / "jobs.db"))) as queue:
        for number in range(count):
            problems += [f"moment {number}: {problem}" for problem in one_moment(folder, queue, random)]
    return problems


def main() -> int:
    """Run the soak test as a command; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder:
        problems = moments(Path(folder), options.moments, options.seed)
    for problem in problems[:20]:
        print(f"PROBLEM: {problem}")
    print(f"{options.moments} moments, {len(problems)} problems.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
