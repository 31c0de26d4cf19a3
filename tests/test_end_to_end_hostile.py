"""Hostile handlers beside innocent neighbors, in every way to run them: each neighbor completes, and nothing is left running.

The usual run has a few of them at once. All of them, each alone with its neighbors in each of four ways:

    python -m pytest -m soak tests/test_end_to_end_hostile.py
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from tests.core.helpers import wait_until

from jobdeck import Job, Outcome, Queue, Settings, State, load_apps
from jobdeck.kinds.registry import REGISTRY

APP = Path(__file__).parent / "hostile_kinds.py"
load_apps([str(APP)])
KINDS = sys.modules[APP.stem]
NEIGHBORS = 50
GRACE = 4.0
FINAL = (State.COMPLETED, State.FAILED, State.CANCELLED)
WAYS = ["thread", "async", "isolated", "pool"]
SURVIVED = [
    "change_folder", "umask", "default_timeout", "warnings_are_errors", "no_logging", "raising_log_handler", "frozen_time",
    "unreadable", "close_output", "trace_threads", "delete_temporary_folder", "event_loop_policy",
]  # fmt: skip
"""Handlers of the usual run."""


class Scene:
    """A queue with hostile jobs and neighbors, and the workers that run them as processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = f"HOSTILE_RUN={uuid4().hex}"
        self.note = folder / "note"
        self.workers: list[subprocess.Popen[bytes]] = []
        self.queue = Queue(settings=Settings(database=str(folder / "jobs.db"), synchronous="OFF"), registry=REGISTRY)

    def enqueue(self, *hostile: str) -> tuple[list[Job], list[Job]]:
        """Enqueue the hostile jobs among the neighbors; return both."""

        def half(first: int) -> list[Job]:
            numbers = range(first, first + NEIGHBORS // 2)
            return [self.queue.enqueue("innocent", {"number": each, "note": str(self.note)}) for each in numbers]

        before = half(0)
        jobs = [self.queue.enqueue(kind) for kind in hostile]
        return jobs, before + half(NEIGHBORS // 2)

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start a worker."""
        name, _, value = self.mark.partition("=")
        temporary = self.folder / "t"
        temporary.mkdir(exist_ok=True)
        settings = {
            name: value,
            "TMPDIR": str(temporary),
            "JOBDECK_APP": str(APP),
            "JOBDECK_LEASE": "3",
            "JOBDECK_HEARTBEAT": "1",
            "JOBDECK_SHUTDOWN_GRACE": str(GRACE),
        }
        with open(self.folder / "log", "ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "jobdeck_tui", "--db", str(self.folder / "jobs.db"), "worker", *options],
                env={**os.environ, **settings, "PYTHONPATH": os.pathsep.join(sys.path)},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.workers.append(worker)
        return worker

    def run(self, jobs: list[Job], *options: str, timeout: float = 60.0) -> int:
        """Run workers, another one if one dies, until the jobs are final; return the number of those that died."""
        end = time.monotonic() + timeout
        worker = self.start(*options)
        while any(self.queue.get(each.id).state not in FINAL for each in jobs):
            if worker.poll() is not None:
                worker = self.start(*options)
            unfinished = [f"{each.kind} {each.state}" for each in map(self.queue.get, (job.id for job in jobs))]
            assert time.monotonic() < end, (Counter(unfinished), self.log[-3000:])
            time.sleep(0.02)
        died = len(self.workers) - 1
        worker.send_signal(signal.SIGTERM)
        worker.wait(GRACE + 4)
        return died + (worker.returncode != 0)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def left_running(self) -> list[str]:
        """Return the command lines of the processes of these workers."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if self.mark.encode() in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        return found


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    made = Scene(folder)
    try:
        yield made
    finally:
        made.queue.close()
        for worker in made.workers:
            with suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()


def check(made: Scene, neighbors: list[Job]) -> None:
    """Check that each neighbor completed exactly once, and that nothing is left."""
    for each in map(made.queue.get, (job.id for job in neighbors)):
        assert each.state is State.COMPLETED, (each.error, made.log[-3000:])
        assert [attempt.outcome for attempt in made.queue.attempts(each.id)].count(Outcome.COMPLETED) == 1
    wait_until(lambda: not made.left_running(), 6, f"the end of {made.left_running()}")
    assert "bug in jobdeck" not in made.log or "RecursionError" in made.log, made.log[-3000:]  # the limit was lowered under it


def ran_twice(made: Scene) -> list[str]:
    return [number for number, times in Counter(made.note.read_text().split()).items() if times > 1]


@pytest.mark.soak
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", KINDS.HANDLERS)
def test_neighbors_of_a_hostile_handler_complete(tmp_path: Path, name: str, way: str) -> None:
    kind = f"{'thread' if way == 'pool' else way}.{name}"
    with scene(tmp_path) as made:
        hostile, neighbors = made.enqueue(kind)
        died = made.run([*hostile, *neighbors], "--threads", "2", *(["--processes", "1"] if way == "pool" else []))
        check(made, neighbors)
        assert not died or (name in KINDS.EXITS and way in ("thread", "async")), made.log[-3000:]
        if way == "isolated":
            assert not ran_twice(made)


@pytest.mark.parametrize("way", ["thread", "isolated", "pool"])
def test_neighbors_of_a_few_hostile_handlers_complete_and_the_worker_lives(tmp_path: Path, way: str) -> None:
    kinds = [f"{'thread' if way == 'pool' else way}.{name}" for name in SURVIVED]
    with scene(tmp_path) as made:
        hostile, neighbors = made.enqueue(*kinds)
        died = made.run([*hostile, *neighbors], "--threads", "2", *(["--processes", "1"] if way == "pool" else []))
        check(made, neighbors)
        assert not died, made.log[-3000:]
        assert not re.search("Traceback", made.log) or way != "isolated"
