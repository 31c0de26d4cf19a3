"""Kinds for the tests of child processes; every process imports this file."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from jobdeck import GiveUp, Snooze, context, job
from jobdeck.model.attempt_result import Completed
from jobdeck.processes.child_output import ChildContext
from jobdeck.processes.protocol import encode_result, pack

if os.environ.get("CHILDREN_BROKEN") and Path(os.environ["CHILDREN_BROKEN"]).exists():
    raise RuntimeError("the deploy is half done")

STUBBORN = 'trap "" TERM; sleep 999 & echo $! >> {note}; echo $$ >> {note}; wait'


def say(note: str, text: object) -> None:
    """Append one line to the note and flush it."""
    with open(note, "a") as file:
        file.write(f"{text}\n")


def hold(note: str) -> None:
    """Wait until the file `<note>.go` exists."""
    while not os.path.exists(f"{note}.go"):
        time.sleep(0.005)


@job(name="who")
def who() -> int:
    return os.getpid()


@job(name="held")
def held(note: str) -> int:
    say(note, os.getpid())
    hold(note)
    return os.getpid()


@job(name="talk", max_attempts=2)
def talk() -> dict[str, int]:
    print("printed", "twice")
    print("half a line", end="")
    sys.stderr.write("to err\n")
    logging.getLogger("shop").warning("warned %d", context().attempt)
    context().log.debug("in detail")
    if context().attempt == 1:
        raise ConnectionResetError("by peer")
    return {"job": context().job_id}


@job(name="signal")
def signals(how: str, note: str) -> None:
    """End with the outcome that `how` names."""
    if how == "giveup":
        raise GiveUp("the card was stolen")
    if how == "snooze" and not os.path.exists(note):
        say(note, "slept")
        raise Snooze(0.01)
    if how == "exit":
        sys.exit(3)


@job(name="progress")
def progress(note: str) -> None:
    context().progress(0.25, "a quarter")
    hold(note)


@job(name="loop")
def loop(note: str) -> None:
    say(note, os.getpid())
    while True:
        context().sleep(0.01)


@job(name="deaf")
def deaf(note: str) -> None:
    say(note, os.getpid())
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(1)


@job(name="vanish", max_attempts=3)
def vanish(note: str) -> None:
    say(note, context().attempt)
    sys.stderr.write("last words\n")
    os.write(2, b"of the process\n")
    os._exit(7)


@job(name="command")
def command(note: str) -> None:
    """Run a command started by the handler itself, in the process group of the child."""
    subprocess.run(["sh", "-c", STUBBORN.format(note=note)], check=True)


@job(name="iso.who", isolate=True)
def iso_who() -> int:
    print("from the handler")
    subprocess.run(["echo", "from its command"], check=True)
    return os.getpid()


@job(name="iso.spin", isolate=True, max_attempts=1)
def iso_spin(note: str) -> None:
    """Ignore every signal that Python can ignore."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say(note, os.getpid())
    while True:
        pass


@job(name="iso.trap", isolate=True, max_attempts=1)
def iso_trap(note: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say(note, os.getpid())
    process = subprocess.Popen(["sh", "-c", STUBBORN.format(note=note)])
    while True:
        process.wait()


@job(name="iso.tidy", isolate=True, max_attempts=1)
def iso_tidy(note: str) -> None:
    """Never check for a stop request, but clean up."""
    try:
        say(note, os.getpid())
        while True:
            pass
    finally:
        say(note, "tidied")


@job(name="iso.polite", isolate=True, max_attempts=1)
def iso_polite(note: str) -> int:
    say(note, os.getpid())
    while True:
        context().sleep(0.01)


@job(name="iso.litter", isolate=True)
def iso_litter(note: str) -> int:
    process = subprocess.Popen(["sleep", "999"])
    say(note, process.pid)
    return os.getpid()


@job(name="repeat")
def repeat(note: str) -> str:
    """Send the result of the previous job once more, as a process forked by that job could."""
    line = socket.socket(fileno=os.dup(int(sys.argv[1])))
    job = context()
    assert isinstance(job, ChildContext)
    if os.path.exists(note):
        previous = int(Path(note).read_text())
        line.sendall(pack(["results", [], [encode_result(previous, Completed(job.job, 0.0, 0.0, '"of another"'))], False]))
    say(note, job.ticket)
    return "its own"
