"""Start processes for a measurement and read their system statistics. No process outlives its `with` block."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from figures import percentile

from jobdeck import SWITCH_INTERVAL, Queue, Settings, load_apps

TASKS = Path(__file__).with_name("tasks.py")
JOBDECK = str(Path(sys.executable).with_name("jobdeck"))
SPAWN = multiprocessing.get_context("spawn")
STARTING = 60.0
"""Seconds a process may take to become ready, and to exceed its planned run time."""
DURABILITY = "FULL"

Start = Callable[[], None]
"""A child calls this once it is ready; the call returns when the measurement starts."""


class Failed(Exception):
    """Report that a process failed to do its work."""


def open_queue(database: Path | str, synchronous: str = DURABILITY) -> Queue:
    """Open the queue with the kinds of `tasks.py` and no settings from the environment, as the command does."""
    sys.setswitchinterval(SWITCH_INTERVAL)  # as `jobdeck worker` does
    gc.set_threshold(20_000, 20, 20)  # as `jobdeck` does
    load_apps([str(TASKS)])
    return Queue(database, settings=Settings(database=str(database), synchronous=synchronous))


# -- children that run a function -----------------------------------------------------------------


class Child:
    """Run `work(start, *args)` in a separate process and receive its result."""

    def __init__(self, work: Callable[..., Any], *args: Any) -> None:
        self._name = getattr(work, "__name__", "work")
        self._pipe, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_serve, args=(theirs, work, args), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        for end in (self._process.terminate, self._process.kill):
            if self._process.is_alive():
                end()
                self._process.join(5.0)
        self._process.close()

    def ready(self, seconds: float = STARTING) -> None:
        """Wait until the child is ready."""
        self._receive(seconds)

    def go(self) -> None:
        """Start the measurement."""
        self._pipe.send("go")

    def result(self, seconds: float) -> Any:
        """Return the result of the child, whose planned run time is `seconds`."""
        found = self._receive(seconds + STARTING)
        self._process.join(5.0)
        return found

    def _receive(self, seconds: float) -> Any:
        if not self._pipe.poll(seconds):
            raise Failed(f"{self._name} took longer than {seconds:.0f} s")
        try:
            what, found = self._pipe.recv()
        except EOFError:
            raise Failed(f"{self._name} ended without a result") from None
        if what == "failed":
            raise Failed(found)
        return found


def _serve(pipe: Any, work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    def start() -> None:
        pipe.send(("ready", None))
        pipe.recv()  # raises if the parent has exited

    try:
        found = ("done", work(start, *args))
    except (EOFError, KeyboardInterrupt):
        os._exit(1)
    except BaseException:
        found = ("failed", traceback.format_exc())
    with contextlib.suppress(OSError):
        pipe.send(found)
    pipe.close()
    os._exit(0)  # even if a peer still has threads


def run(seconds: float, *calls: tuple[Any, ...]) -> list[Any]:
    """Run each `(function, *args)` in a child, all started at once; return their results."""
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(Child(*call)) for call in calls]
        for child in children:
            child.ready(max(STARTING, 5.0 * len(children)))  # the first of fifty waits for the CPU as long as the last
        for child in children:
            child.go()
        return [child.result(seconds) for child in children]


# -- the command ----------------------------------------------------------------------------------


@contextmanager
def worker(database: Path, *options: str) -> Iterator[int]:
    """Run `jobdeck worker` on the database as a user would; yield its process id."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("JOBDECK_")}
    environ |= {"JOBDECK_SYNCHRONOUS": DURABILITY, "JOBDECK_LOG_LEVEL": "WARNING", "NO_COLOR": "1"}
    command = [JOBDECK, "worker", "--db", str(database), "--app", str(TASKS), "--grace", "1s", *options]
    log_file = database.with_suffix(f".{time.monotonic_ns()}.log")
    with log_file.open("w+") as log:
        process = subprocess.Popen(command, env=environ, cwd=database.parent, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield process.pid
            if process.poll() is not None:
                raise Failed(f"{' '.join(command)} exited early: {log_file.read_text().strip()[-500:]}")
        finally:
            for end in (process.terminate, process.kill):
                if process.poll() is None:
                    end()
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(10.0)


def has_option(option: str) -> bool:
    """Return whether `jobdeck worker` has this option."""
    shown = subprocess.run([JOBDECK, "worker", "--help"], capture_output=True, text=True, timeout=STARTING, check=True)
    return f"{option} " in shown.stdout


def wait_for(condition: Callable[[], bool], what: str, seconds: float = STARTING, every: float = 0.01) -> None:
    """Wait until the condition holds; raise `Failed` if it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"waited {seconds:.0f} s for {what}")
        time.sleep(every)


# -- system statistics ----------------------------------------------------------------------------


def cpu_seconds(pid: int) -> float | None:
    """Return the CPU seconds used by the threads of a process; `None` if the system does not report them."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        # In nanoseconds; `stat` has a resolution of 10 ms.
        return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9
    return None


def peak_megabytes(pid: int) -> float | None:
    """Return the peak resident memory of a process in MB; `None` if the system does not report it."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return None


def file_system(folder: Path) -> str:
    """Return the file system type of the folder. In a memory file system, durability costs nothing."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    containing = [(len(path), kind) for path, kind in mounts if folder.resolve().is_relative_to(path)]
    return max(containing, default=(0, "unknown"))[1]


def sync_milliseconds(folder: Path, times: int = 200) -> tuple[float, float]:
    """Return the median and p99 milliseconds of syncing one page to disk, as each commit does."""
    path = folder / "sync"
    sync = getattr(os, "fdatasync", os.fsync)
    took = []
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            file.write(bytes(4096))
            started = time.perf_counter()
            sync(file.fileno())
            took.append(1e3 * (time.perf_counter() - started))
    path.unlink()
    return percentile(took, 0.5), percentile(took, 0.99)
