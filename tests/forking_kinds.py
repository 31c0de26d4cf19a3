"""Kinds whose handlers fork, for the tests of forks; every worker and child process imports this file.

Each kind exists three times: `name` runs where the worker runs its handlers, `iso.name` in a process of its own, and
`async.name` on the event loop.
"""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401  # its locks must not appear while another thread forks
import contextlib
import functools
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from jobdeck import context, job

FORK = multiprocessing.get_context("fork")
NEIGHBORS = "neighbor"


@job(name=NEIGHBORS)
def neighbor() -> None:
    """Note each run, so that a job that runs twice is noticed."""
    note("ran", context().job_id)


def kind(handler: Callable[[], Any]) -> Callable[[], Any]:
    """Register the handler as a kind, as an isolated kind, and as an async kind."""

    @functools.wraps(handler)
    async def on_loop() -> Any:
        return handler()

    name = handler.__name__
    job(name=name, max_attempts=1)(handler)
    job(name=f"iso.{name}", isolate=True, max_attempts=1)(handler)
    job(name=f"async.{name}", max_attempts=1)(on_loop)
    return handler


def note(file: str, text: object) -> None:
    """Append one line to a file, in one write."""
    descriptor = os.open(os.path.join(os.environ["NOTES"], file), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{text}\n".encode())
    os.close(descriptor)


def exit_code(pid: int) -> int | None:
    """Wait for a child and return its exit code; `None` if it does not exit in time."""
    until = time.monotonic() + 15
    while time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    return None


# -- children that leave the handler -------------------------------------------------------------------


@kind
def returns() -> int | None:
    if (pid := os.fork()) == 0:
        return 7
    return exit_code(pid)


@kind
def raises() -> int | None:
    if (pid := os.fork()) == 0:
        raise ValueError("of the child")
    return exit_code(pid)


@kind
def exits() -> int | None:
    if (pid := os.fork()) == 0:
        sys.exit(3)
    return exit_code(pid)


@kind
def interrupted() -> int | None:
    if (pid := os.fork()) == 0:
        raise KeyboardInterrupt
    return exit_code(pid)


@kind
def forks_twice() -> int | None:
    if (pid := os.fork()) == 0:
        return exit_code(pid) if (pid := os.fork()) else None
    return exit_code(pid)


class Forking(dict[str, int]):
    """A result that forks while it is encoded."""

    def items(self) -> Any:
        os.fork()
        return super().items()


@kind
def encodes() -> dict[str, int]:
    return Forking(a=1)


@kind
def talks() -> int | None:
    """Log and print in the child, with everything that jobdeck captures; print before the fork too."""
    print("printed before the fork")
    if (pid := os.fork()) == 0:
        print("printed by the child")
        logging.getLogger("shop").warning("logged by the child")
        context().log.info("told by the child")
        context().progress(0.9)
        return None
    return exit_code(pid)


@kind
def threads() -> int | None:
    """Fork in a thread of the handler."""
    codes: list[int | None] = []

    def fork() -> None:
        if (pid := os.fork()) == 0:
            return
        codes.append(exit_code(pid))

    thread = threading.Thread(target=fork)
    thread.start()
    thread.join()
    return codes[0]


@job(name="async.awaits", max_attempts=1)
async def awaits() -> int | None:
    """Await in the child, which has no event loop."""
    import asyncio

    if (pid := os.fork()) == 0:
        await asyncio.sleep(0.01)
        note("awaited", os.getpid())
        return 9
    return await asyncio.to_thread(exit_code, pid)


@job(name="async.task", max_attempts=1)
async def task() -> str:
    """Fork in a task of the handler, while the handler itself and others go on."""
    import asyncio

    async def fork() -> int:
        return os.fork()

    pid = await asyncio.create_task(fork())
    note("resumed", os.getpid())
    if not pid:
        return "the child"
    code = await asyncio.to_thread(exit_code, pid)
    return f"exit code {code}"


# -- children that are terminated ----------------------------------------------------------------------


def sleep() -> None:
    note("asleep", os.getpid())
    wait_for_signal()


def wait_for_signal() -> None:
    """Sleep in short steps: Python calls no handler for a signal that arrives just before it begins to sleep."""
    for _ in range(60_000):
        time.sleep(0.01)


def double(number: int) -> int:
    return 2 * number


@kind
def terminates() -> int | None:
    """Terminate the child at once, and another after it has started."""
    for wait in (False, True):
        process = FORK.Process(target=sleep)
        process.start()
        while wait and not asleep(process.pid):
            time.sleep(0.005)
        process.terminate()
        process.join(5)
        if process.exitcode != -signal.SIGTERM:
            return process.exitcode
    return process.exitcode


def asleep(pid: int | None) -> bool:
    try:
        with open(os.path.join(os.environ["NOTES"], "asleep")) as file:
            return str(pid) in file.read().split()
    except FileNotFoundError:
        return False


@kind
def pools() -> list[int]:
    with FORK.Pool(2) as pool:
        return pool.map(double, range(4))


@kind
def executes() -> list[int]:
    with ProcessPoolExecutor(2, mp_context=FORK) as pool:
        return list(pool.map(double, range(4)))


@kind
def kills_by_signal() -> list[int | None]:
    """End children by each of the signals that a worker handles."""
    codes = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if (pid := os.fork()) == 0:
            try:
                sleep()
            except KeyboardInterrupt:
                os._exit(130)
        while number == signal.SIGINT and not asleep(pid):  # before that, it is raised anywhere
            time.sleep(0.005)
        os.kill(pid, number)
        codes.append(exit_code(pid))
    return codes


@kind
def keeps_own_handler() -> int | None:
    """A handler that the child installs itself is called."""
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(42))
        os.write(writer, b"!")
        wait_for_signal()
    os.read(reader, 1)
    os.close(reader)
    os.close(writer)
    os.kill(pid, signal.SIGTERM)
    return exit_code(pid)


# -- processes whose parent has exited -----------------------------------------------------------------


@job(name="orphans", max_attempts=1)
def orphans() -> dict[str, Any]:
    """Leave orphans, and start processes with exit codes of their own; return these, and the zombies that remain."""
    waited = subprocess.Popen(["sh", "-c", "exit 7"])  # a zombie until it is waited for, at the end
    for _ in range(20):
        subprocess.run(["sh", "-c", "(sleep 0.05; exit 5) & exit 0"], check=True)
    codes = {subprocess.run(["sh", "-c", "exit 3"], check=False).returncode for _ in range(20)}
    until = time.monotonic() + 15
    while (zombies := _zombies() - {waited.pid}) and time.monotonic() < until:
        time.sleep(0.01)
    return {"zombies": len(zombies), "codes": [*codes, waited.wait()], "pid": os.getpid()}


def _zombies() -> set[int]:
    """Return the processes that have exited and have not been reaped, and the orphans that still run."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if state == "Z" or (parent == "1" and (entry / "comm").read_text() in ("sh\n", "sleep\n")):
                found.add(int(entry.name))
    return found


# -- processes that should not outlive a killed worker -------------------------------------------------

SLEEP = ["sleep", "987"]


def hold() -> None:
    note("holding", os.getpid())
    while not os.path.exists(os.path.join(os.environ["NOTES"], "go")):
        time.sleep(0.01)


@kind
def starts_commands() -> None:
    """Start commands as a child, in a session of its own, detached, and without the environment below such a one."""
    subprocess.Popen(SLEEP)
    subprocess.Popen(SLEEP, start_new_session=True)
    subprocess.Popen(["sh", "-c", "setsid sleep 987 & exit 0"])
    subprocess.Popen(["setsid", "sh", "-c", "env -i sleep 987 & wait"])
    hold()


@kind
def starts_forks() -> None:
    """Fork a child, one in a session of its own, a daemon that closes all descriptors, and a process of `multiprocessing`."""
    for session in (False, True):
        if os.fork() == 0:
            if session:
                os.setsid()
            time.sleep(987)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 256)
            time.sleep(987)
        os._exit(0)
    FORK.Process(target=time.sleep, args=(987,)).start()
    hold()


@job(name="leaves", max_attempts=1)
def leaves() -> None:
    """Leave a command, and one that is not marked, behind a finished job; and a forked child."""
    for prefix in ([], ["env", "-u", "JOBDECK_WORKER"]):
        process = subprocess.Popen([*prefix, *SLEEP], start_new_session=True)
        note("left", process.pid)
    if os.fork() == 0:
        os.setsid()
        time.sleep(987)
