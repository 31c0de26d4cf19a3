"""The built-in kind `shell`: run a command, with its output as the job's log."""

from __future__ import annotations

import os
import shlex
from typing import Any

from ..kinds.registry import Entry, Registry
from ..model.errors import InvalidArguments
from ..model.kind_names import SHELL
from ..model.trace_context import trace_variables
from ..tracing.tracer import current_trace


def shell(
    command: list[str],
    shell: bool = False,
    cwd: str | None = None,
    env: dict[str, str] | None = None,
    base_env: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Run a command; fail if it exits non-zero.

    Args:
        command: the program and its arguments. With `shell`, the parts are joined with spaces and interpreted by `sh`.
        shell: run the command with `sh -c`, which supports pipes, globs and other shell syntax.
        cwd: the directory to run in.
        env: variables to add to the environment; JOBDECK_JOB_ID and JOBDECK_ATTEMPT are always set, and in a trace TRACEPARENT
            and TRACESTATE.
        base_env: the environment to add them to; that of the worker if `None`. `jobdeck run` carries the caller's.

    Returns:
        The exit code.
    """
    if not command or not command[0]:
        raise InvalidArguments(SHELL, "command", "is empty")
    from . import command as runner  # imported late: a process that only enqueues commands runs none
    from .context import context

    job = context()
    argv = ["/bin/sh", "-c", " ".join(command)] if shell else command
    variables = {**(os.environ if base_env is None else base_env)}
    for name in ("TRACEPARENT", "TRACESTATE"):  # of the worker, or of the job that this one is a copy of
        variables.pop(name, None)
    variables |= trace_variables(current_trace())
    variables |= {**(env or {}), "JOBDECK_JOB_ID": str(job.job_id), "JOBDECK_ATTEMPT": str(job.attempt)}
    return {"exit_code": runner.run(argv, cwd, variables, job)}


def command_line(command: list[str], *, shell: bool = False) -> str:
    """Return the command as typed in a shell."""
    return " ".join(command) if shell else shlex.join(command)


def add_shell(registry: Registry) -> None:
    """Register the kind `shell`."""
    registry.add(Entry(SHELL, shell, max_attempts=3))
