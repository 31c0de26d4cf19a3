"""Runs a command in its own process group, with its output as the log of the job."""

from __future__ import annotations

import codecs
import contextlib
import os
import selectors
import signal
import subprocess

from ..clock import time
from ..model.errors import GiveUp, PlainError
from .context import JobContext
from .process_group import ProcessGroupGuard, describe_exit, group_alive, start_process, stop_group

_STDERR_CHARACTERS = 2000
_CHUNK = 1 << 16
_POLL = 0.1
"""Seconds between two checks whether the command has exited or must stop."""


class CommandFailed(PlainError):
    """Raised if the command exits non-zero or is killed by a signal. The message is the end of its standard error."""

    def __init__(self, how: str, stderr: str) -> None:
        super().__init__(stderr)
        self.label = how


class CommandNotFound(GiveUp):
    """Raised if the program of a command does not exist."""


class CommandNotExecutable(GiveUp):
    """Raised if the program of a command may not be run, or is none."""


def run(argv: list[str], cwd: str | None, variables: dict[str, str], job: JobContext) -> int:
    """Run the command for this job, and return its exit code, which is 0.

    Raises:
        CommandFailed: it exited with another code, or was killed by a signal.
        GiveUp: it cannot be run.
    """
    with contextlib.closing(ProcessGroupGuard()) as lifeline:
        stderr, code = run_command(argv, cwd, variables, lifeline, job)
    job.check()
    if code:
        raise CommandFailed(describe_exit(code), stderr.strip())
    return code


def run_command(
    argv: list[str], cwd: str | None, variables: dict[str, str], lifeline: ProcessGroupGuard, job: JobContext
) -> tuple[str, int]:
    """Run the command and return the end of its standard error, and its exit code."""
    try:
        process = start_process(
            argv,
            cwd=cwd,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # its own process group, so that it can be stopped with all its children
            pass_fds=(lifeline.fd,),
        )
    except FileNotFoundError as error:
        missing = cwd if cwd is not None and error.filename == cwd else argv[0]
        if missing == cwd:
            raise GiveUp(f"Directory {missing!r} does not exist.") from None
        raise CommandNotFound(f"Command {missing!r} does not exist.") from None
    except (PermissionError, NotADirectoryError) as error:
        problem = f"{error.filename!r} cannot be used: {error.strerror}."
        raise (GiveUp if error.filename == cwd else CommandNotExecutable)(problem) from None
    except ValueError as error:  # a NUL, or a lone surrogate, in the command
        raise GiveUp(f"The command cannot be run: {error}.") from None
    with process:
        try:
            lifeline.guard(process.pid)
            stderr = _follow(process, job)
        except BaseException:
            stop_group(process.pid, signal.SIGKILL)  # nothing else would stop it
            raise
        return stderr, process.wait()


def _follow(process: subprocess.Popen[bytes], job: JobContext) -> str:
    """Log the output as it arrives, and stop the group if the job must stop; return the end of standard error."""
    assert process.stdout is not None
    assert process.stderr is not None
    decoders = {level: codecs.getincrementaldecoder("utf-8")("backslashreplace") for level in ("out", "err")}
    incomplete = {"out": "", "err": ""}
    tail = ""
    stop_at: float | None = None
    exited = False
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, "out")
        selector.register(process.stderr, selectors.EVENT_READ, "err")
        # Continue after the output is closed: a command may close it and continue, and must still be stoppable.
        while not (exited and not selector.get_map()):
            waits = job.log_is_full  # the command then waits in its turn, as soon as the pipe is full
            if waits:
                job.wait_for_log(_POLL)
                events = []
            else:
                events = selector.select(timeout=_POLL) if selector.get_map() else _wait_for_exit(process)
            for key, _ in events:
                level = str(key.data)
                data = os.read(key.fd, _CHUNK)
                if not data:
                    selector.unregister(key.fileobj)
                text = incomplete[level] + decoders[level].decode(data, final=not data)
                lines, newline, incomplete[level] = text.rpartition("\n")
                unfinished = bool(incomplete[level]) and (not data or len(incomplete[level]) > _CHUNK)
                if unfinished:  # log an endless line in pieces
                    lines, newline, incomplete[level] = lines + newline + incomplete[level], "", ""
                if lines or newline:
                    job.write_output(level, lines, unfinished=unfinished)
                if level == "err":
                    tail = (tail + lines + newline)[-_STDERR_CHARACTERS:]
            exited = process.poll() is not None
            # Stop the group if the job must stop, or if the command has exited but its children still run, because nothing
            # could wait for them or cancel them any more.
            if (job.stopping or exited) and stop_at is None and group_alive(process.pid):
                stop_at = time.monotonic()
                stop_group(process.pid, signal.SIGTERM)
            elif stop_at is not None and time.monotonic() - stop_at > job.grace:
                stop_group(process.pid, signal.SIGKILL)
            if exited and not (events or waits) and not group_alive(process.pid):
                break  # a process outside the group holds the pipes open; all output of the group has been read
    _end_group(process, (stop_at or time.monotonic()) + job.grace)
    return tail


def _wait_for_exit(process: subprocess.Popen[bytes]) -> list[tuple[selectors.SelectorKey, int]]:
    """Wait briefly for the exit of a process that has closed its output; return no events."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_POLL)
    return []


def _end_group(process: subprocess.Popen[bytes], kill_at: float) -> None:
    """Return once every process of the group has exited; kill them at `kill_at`."""
    while group_alive(process.pid):
        process.poll()  # reaps the leader: a zombie counts as alive
        if time.monotonic() > kill_at:
            stop_group(process.pid, signal.SIGKILL)
        time.sleep(0.02)
