"""The built-in kind `shell`: runs a command in a process group of its own, its output kept as the job's log."""

from __future__ import annotations

import codecs
import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import time
from typing import Any

from ..kinds.registry import SHELL as KIND
from ..kinds.registry import Entry, Registry
from ..model.errors import GiveUp, InvalidArguments
from .context import Context, context
from .process_group import Lifeline, group_alive, how_ended, stop_group

_STDERR_KEPT = 2000
_CHUNK = 1 << 16


class CommandFailed(Exception):
    """The command ended with an exit code other than 0, or by a signal. The text ends with its standard error."""

    plain = True
    """A traceback through jobdeck's own code would tell nobody anything."""

    def __init__(self, how: str, stderr: str) -> None:
        super().__init__(f"{how}: {stderr}" if stderr else how)


def shell(
    command: list[str],
    shell: bool = False,
    cwd: str | None = None,
    env: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Run a command; it fails when the exit code is not 0.

    Args:
        command: the program and its arguments. With `shell`, its parts are joined by blanks and read by `sh`.
        shell: have `sh -c` read the command, with pipes, globs and all.
        cwd: the folder to run in.
        env: variables added to the environment; JOBDECK_JOB_ID and JOBDECK_ATTEMPT are always there.

    Returns:
        The exit code.
    """
    if not command or not command[0]:
        raise InvalidArguments(KIND, "command", "is empty")
    job = context()
    argv = ["/bin/sh", "-c", " ".join(command)] if shell else command
    variables = {**os.environ, **(env or {}), "JOBDECK_JOB_ID": str(job.job_id), "JOBDECK_ATTEMPT": str(job.attempt)}
    with contextlib.closing(Lifeline()) as lifeline:
        stderr, code = run_command(argv, cwd, variables, lifeline, job)
    job.check()
    if code:
        raise CommandFailed(how_ended(code), stderr.strip())
    return {"exit_code": code}


def run_command(
    argv: list[str], cwd: str | None, variables: dict[str, str], lifeline: Lifeline, job: Context
) -> tuple[str, int]:
    """Run the command to its end; returns the end of its standard error, and its exit code."""
    try:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a process group of its own, so that it can be stopped with all its children
            pass_fds=(lifeline.fd,),
        )
    except FileNotFoundError as error:
        missing = cwd if cwd is not None and error.filename == cwd else argv[0]
        raise GiveUp(f"There is no {'folder' if missing == cwd else 'command'} {missing!r}.") from None
    except (PermissionError, NotADirectoryError) as error:
        raise GiveUp(f"{error.filename!r} cannot be used: {error.strerror}.") from None
    except ValueError as error:  # a NUL, or a lone surrogate, in the command
        raise GiveUp(f"The command cannot be run: {error}.") from None
    with process:
        try:
            lifeline.tie(process.pid)
            stderr = _follow(process, job)
        except BaseException:
            stop_group(process.pid, signal.SIGKILL)  # nobody would be left to stop it
            raise
        return stderr, process.wait()


def _follow(process: subprocess.Popen[bytes], job: Context) -> str:
    """Log the output as it comes, stop the group if the job shall stop; returns the end of standard error."""
    assert process.stdout is not None
    assert process.stderr is not None
    decoders = {level: codecs.getincrementaldecoder("utf-8")("backslashreplace") for level in ("out", "err")}
    kept = {"out": "", "err": ""}
    tail = ""
    asked_at: float | None = None
    ended = False
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, "out")
        selector.register(process.stderr, selectors.EVENT_READ, "err")
        # Not only until the output is closed: a command may close it and go on, and must still be stoppable.
        while not (ended and not selector.get_map()):
            events = selector.select(timeout=0.1) if selector.get_map() else _ending(process)
            for key, _ in events:
                level = str(key.data)
                data = os.read(key.fd, _CHUNK)
                if not data:
                    selector.unregister(key.fileobj)
                text = kept[level] + decoders[level].decode(data, final=not data)
                lines, newline, kept[level] = text.rpartition("\n")
                if not data and kept[level]:
                    lines, newline, kept[level] = lines + newline + kept[level], "", ""
                elif len(kept[level]) > _CHUNK:  # a line without end is logged in pieces
                    lines, kept[level] = lines + newline + kept[level], ""
                if lines or newline:
                    job.write(level, lines)
                if level == "err":
                    tail = (tail + lines + newline)[-_STDERR_KEPT:]
            ended = process.poll() is not None
            # Asked to stop; or the command has ended and left children behind, which nobody could wait for or
            # cancel any more.
            if (job.stopping or ended) and asked_at is None and group_alive(process.pid):
                asked_at = time.monotonic()
                stop_group(process.pid, signal.SIGTERM)
            elif asked_at is not None and time.monotonic() - asked_at > job.grace:
                stop_group(process.pid, signal.SIGKILL)
            if ended and not events and not group_alive(process.pid):
                break  # a process that left the group holds the pipes; all that was written has been read
    _end_group(process, (asked_at or time.monotonic()) + job.grace)
    return tail


def _ending(process: subprocess.Popen[bytes]) -> list[tuple[selectors.SelectorKey, int]]:
    """Its output is closed: wait a moment for the end itself. No events."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=0.1)
    return []


def _end_group(process: subprocess.Popen[bytes], kill_at: float) -> None:
    """Return only when no process of the group is left."""
    while group_alive(process.pid):
        process.poll()  # reaps the leader: a zombie counts as alive
        if time.monotonic() > kill_at:
            stop_group(process.pid, signal.SIGKILL)
        time.sleep(0.02)


def command_line(command: list[str], *, shell: bool = False) -> str:
    """The command as a person would type it."""
    return " ".join(command) if shell else shlex.join(command)


def add_shell(registry: Registry) -> None:
    """Make the kind `shell` known."""
    registry.add(Entry(KIND, shell, max_attempts=3))
