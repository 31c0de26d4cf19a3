"""What an experiment is played on: a scratch folder, a seed, lanes with their files and processes, and an audience."""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from jobdeck import Queue, Settings, record

from .audit import Audit, Verdict
from .child_main import NICENESS
from .child_process import start_module
from .inside import Section, look_inside
from .kinds import lab_registry
from .ledger import LedgerLine, LedgerReader, append
from .naive_worker import create_table
from .pace import VARIABLE, Pace

POLL = 0.01
"""Seconds between two checks of a condition."""
_NICENESS = 5
_LEAST_SPACE = 1 << 16
"""Bytes: with less, the next write of a worker fails."""
_PATIENCE = 60.0
"""Seconds after which an experiment gives a condition up."""


def describe_problem(error: Exception) -> str:
    """Describe what ended an experiment that was not foreseen, such as a full disk, in one line."""
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or f"{type(error).__name__}: {error}"


class ExperimentStopped(Exception):
    """The viewer has left the experiment."""


class ExperimentStuck(Exception):
    """Raised if what an experiment waits for does not happen in time."""


@record
class TimelineEvent:
    """Something that happened, for the audience and the report."""

    at: float
    """Seconds since the experiment started."""
    lane: str
    text: str


@record
class Figure:
    """A number that was measured, beside the verdicts."""

    lane: str
    name: str
    value: float
    unit: str = ""


@record
class Findings:
    """The findings of an experiment."""

    verdicts: Sequence[Verdict]
    figures: Sequence[Figure] = ()
    notes: Sequence[str] = ()
    """Sentences: what to say about it."""
    ladder: Sequence[str] = ()
    """Lines of a drawing."""


@dataclass
class LabProcess:
    """A worker process of a lane."""

    lane: StageLane
    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        """Return whether it has not ended."""
        return self.process.poll() is None

    def kill(self) -> None:
        """Kill it with `kill -9`, and write that to the lane's ledger as soon as it is dead."""
        self.process.kill()
        self.process.wait()
        append(self.lane.ledger, "kill", pid=self.pid)
        self.lane.report(f"kill -9 {self.pid}")

    def pause(self) -> None:
        """Stop it with SIGSTOP, as a laptop's lid or a long page-in does; return when it stands still."""
        self.process.send_signal(signal.SIGSTOP)
        if hasattr(os, "waitid"):  # not on macOS: there it may run on for a moment
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        append(self.lane.ledger, "stop", pid=self.pid)
        self.lane.report(f"worker {self.pid} is stopped")

    def resume(self) -> None:
        """Let it continue."""
        append(self.lane.ledger, "continue", pid=self.pid)
        self.lane.report(f"worker {self.pid} continues")
        self.process.send_signal(signal.SIGCONT)

    def terminate(self, timeout: float) -> int | None:
        """Ask it to end with SIGTERM; return its exit code, or `None` if it has not ended in time. The ledger says both."""
        append(self.lane.ledger, "term", pid=self.pid)
        self.lane.report(f"SIGTERM to {self.pid}")
        self.process.terminate()
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        append(self.lane.ledger, "exit", pid=self.pid, code=code)
        return code

    def close(self) -> None:
        """Make sure that it has ended."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


@dataclass
class StageLane:
    """One variant of an experiment: its database, its ledger, its workers."""

    stage: Stage
    name: str
    is_jobdeck: bool
    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of jobdeck that differ from their defaults."""
    processes: list[LabProcess] = field(default_factory=list)
    _queue: Queue | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.ledger = self.folder / "ledger"
        self.database = self.folder / "jobs.db"
        self._reader = LedgerReader(self.ledger)
        self.lines: list[LedgerLine] = []
        """The ledger as far as it has been read."""
        if not self.is_jobdeck:
            create_table(self.database)

    @property
    def queue(self) -> Queue:
        """Return the lane's queue; only jobdeck's lanes have one."""
        assert self.is_jobdeck
        if self._queue is None:
            # Not the user's settings: an experiment is the same everywhere.
            settings = Settings(database=str(self.database), **self.settings)
            self._queue = Queue(settings=settings, registry=lab_registry(), random=self.stage.random, actor="lab")
        return self._queue

    def report(self, text: str) -> None:
        """Report to the audience what happened."""
        self.stage.report(self.name, text)

    def plan(self, **numbers: float) -> None:
        """Write to the ledger what is going to be played: `jobs=1000`. Queries and pictures read it."""
        append(self.ledger, "plan", None, None, **numbers)

    def read_ledger(self) -> Sequence[LedgerLine]:
        """Read the ledger up to now, and return all of it."""
        self.lines += self._reader.read()
        return self.lines

    def count(self, event: str) -> int:
        """Return the number of lines of an event in the ledger."""
        return sum(line.event == event for line in self.read_ledger())

    def start_worker(self, *options: str, threads: int = 1) -> LabProcess:
        """Start a worker process: `jobdeck worker`, or the naive one with its options."""
        if self.is_jobdeck:
            _ = self.queue  # the tables exist before the worker opens the file
            words = ["jobdeck_tui", "--db", str(self.database), "--app", f"{__package__}.worker_app", "worker"]
            words += ["--threads", str(threads)]
        else:
            words = [f"{__package__}.naive_worker", "--db", str(self.database), "--ledger", str(self.ledger), *options]
        return self._start(words)

    def start_thread_worker(self, threads: Path) -> LabProcess:
        """Start a worker of jobdeck with as many threads as a file says, at any time."""
        return self._start([f"{__package__}.thread_worker", "--db", str(self.database), "--threads", str(threads)])

    def start_producer(self, *options: str) -> LabProcess:
        """Start a process that enqueues one job after another; see `producer` for its options."""
        if self.is_jobdeck:
            _ = self.queue
        else:
            options = (*options, "--plain")
        return self._start([f"{__package__}.producer", "--db", str(self.database), "--ledger", str(self.ledger), *options])

    def _start(self, words: Sequence[str]) -> LabProcess:
        started = LabProcess(self, self.stage.start_process(words, self.folder, self.settings))
        self.processes.append(started)
        return started

    def wait_ready(self, n: int) -> None:
        """Wait until n workers have started and are ready for jobs."""
        if self.is_jobdeck:
            self.stage.wait(lambda: len(self.queue.workers.list()) >= n, f"{n} workers to start")
        else:
            self.stage.wait(lambda: self.count("ready") >= n, f"{n} workers to start")
        self.report(f"{n} worker process{'es are' if n > 1 else ' is'} ready")

    def audit(self, *, rows: bool = True) -> Audit:
        """Open the audit of what the lane has left behind."""
        return Audit(self.name, self.ledger, self.database if rows else None, is_jobdeck=self.is_jobdeck)

    def close(self) -> None:
        """End the processes, and close the queue."""
        for each in self.processes:
            each.close()
        if self._queue is not None:
            self._queue.wake()  # removes the sockets of the killed workers
            self._queue.close()
            self._queue = None


class Stage:
    """The stage of one run of an experiment."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        on_event: Callable[[TimelineEvent], None] = lambda _: None,
        on_figures: Callable[[str, Mapping[str, float]], None] = lambda _lane, _figures: None,
    ) -> None:
        """Create a stage.

        Args:
            folder: an empty scratch folder.
            seed: the seed of everything that is random in the experiment.
            on_event: called with everything that happens, on the experiment's thread.
            on_figures: called with a lane and its numbers, as they are counted.
        """
        self.folder = folder
        self.seed = seed
        self.random = Random(seed)
        self.stopped = threading.Event()
        """Set to end the experiment early."""
        self.pace = Pace(folder / "pace")
        """Its pace, which the viewer changes."""
        self._asked: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.has_viewer = False
        """`True` if a screen shows it meanwhile; the processes then leave the processor to the screen."""
        self.timeline: list[TimelineEvent] = []
        self._on_event, self._on_figures = on_event, on_figures
        self.lanes: list[StageLane] = []
        """Its lanes."""
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for lane in self.lanes:
            lane.close()
        self.pace.close()

    def look_inside(self, experiment: str) -> tuple[Section, ...]:
        """Return the SQL of an experiment, with the places in the code and the query plans of its files."""
        own = self.folder / "inside"
        own.mkdir(exist_ok=True)
        return look_inside(experiment, own, [(lane.database, lane.is_jobdeck) for lane in [*self.lanes]])

    def ask(self, wish: str) -> None:
        """Ask the experiment for something: `kill`, … Call it on any thread."""
        self._asked.put(wish)

    def take_wish(self) -> str | None:
        """Return the next thing that the viewer has asked for, if any."""
        with contextlib.suppress(queue.Empty):
            return self._asked.get_nowait()
        return None

    def lane(self, name: str, *, is_jobdeck: bool = False, **settings: Any) -> StageLane:
        """Add a lane."""
        lane = StageLane(self, name, is_jobdeck, self.folder / name.replace(" ", "-"), settings)
        self.lanes.append(lane)
        return lane

    @property
    def elapsed(self) -> float:
        """Return the seconds since the experiment started."""
        return time.monotonic() - self._started

    def report(self, lane: str, text: str) -> None:
        """Report to the audience what happened, and keep it for the timeline."""
        event = TimelineEvent(self.elapsed, lane, text)
        self.timeline.append(event)
        self._on_event(event)

    def show(self, lane: str, **figures: float) -> None:
        """Show the audience numbers as they are counted."""
        self._on_figures(lane, figures)

    def wait(self, condition: Callable[[], bool], what: str, *, timeout: float = _PATIENCE) -> None:
        """Wait until a condition is met.

        Raises:
            ExperimentStopped: the viewer has left.
            ExperimentStuck: it was not met in time.
            OSError: the disk of the scratch files is full, so it will never be met.
        """
        remaining = timeout
        while not condition():
            if shutil.disk_usage(self.folder).free < _LEAST_SPACE:
                raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} for the scratch files in {self.folder.parent}")
            before = time.monotonic()
            if self.stopped.wait(POLL):
                raise ExperimentStopped
            if not self.pace.is_paused:  # at a slow pace everything takes longer
                remaining -= (time.monotonic() - before) * min(1.0, self.pace.speed)
            if remaining < 0:
                raise ExperimentStuck(f"The experiment waited {timeout:g} s for {what}")
        self._take_turn()

    def pause(self, seconds: float) -> None:
        """Wait for a time, at the pace of the viewer.

        Raises:
            ExperimentStopped: the viewer has left.
        """
        self.pace.sleep(seconds, self.stopped.is_set)
        self._take_turn()

    def _take_turn(self) -> None:
        self.pace.wait_turn(self.stopped.is_set)
        if self.stopped.is_set():
            raise ExperimentStopped

    def start_process(self, words: Sequence[str], folder: Path, settings: Mapping[str, Any]) -> subprocess.Popen[bytes]:
        """Start a module of ours as a process that dies with this one."""
        environment = {VARIABLE: str(self.folder / "pace")}
        if self.has_viewer:
            environment[NICENESS] = str(_NICENESS)
        return start_module(words, folder, settings, environment)
