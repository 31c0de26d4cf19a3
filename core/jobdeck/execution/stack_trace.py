"""The stack of a running job: the record, and the protocol to request it from another process.

Request and reply are JSON on one line. The process that runs the job captures the stack (see `stack_capture.py`); the
requesting process decodes the reply into a `Stack`, or explains why none is available.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any

from ..json_functions import json
from ..model.record_class import record

TIMEOUT = 0.5
"""Seconds that the process running the job gets to reply."""
FINISHED = "Its code has just finished."
NOT_STARTED = "It is claimed and waits for a thread."

StackReply = Mapping[str, Any]
"""`pid`, `calls` as `[file, line, function, code]` with the innermost last, `left_out`; or `reason` if there are none."""
SendRequest = Callable[[str, float], str | None]
"""Sends a request to the workers and waits up to that many seconds; see `Notifier.request`."""


@record
class Call:
    """One call of a stack."""

    file: str
    line: int
    function: str
    code: str
    """The current source line; empty if it cannot be read."""


@record(kw_only=True)
class Stack:
    """The stack of a running job at one moment, from its handler down. Its text is not sanitized."""

    job_id: int
    worker: str
    """The worker that runs the job."""
    at: float
    """When the stack was captured."""
    calls: tuple[Call, ...] = ()
    """The calls, innermost last; for a coroutine, the coroutines that it awaits."""
    omitted: int = 0
    """The number of calls omitted from the middle of a deep stack."""
    outer: int = 0
    """The number of calls before the omitted ones."""
    pid: int | None = None
    """The process that runs the code: the worker or one of its child processes."""
    reason: str = ""
    """Why no calls are available, in one sentence; empty if they are."""

    @property
    def text(self) -> str:
        """Return the calls in the format of a Python traceback; empty if there are none."""
        lines: list[str] = []
        for at, call in enumerate(self.calls):
            if self.omitted and at == self.outer:
                lines.append(f"  [{self.omitted:,} calls omitted]")
            lines.append(f'  File "{call.file}", line {call.line}, in {call.function}')
            lines += [f"    {call.code}"] if call.code else []
        return "\n".join(["Stack (most recent call last):", *lines]) if lines else ""


def encode_request(worker: str, job_id: int) -> str:
    """Encode a stack request to a worker."""
    return json.dumps(["stack", worker, job_id])


def decode_request(question: str) -> tuple[str, int] | None:
    """Return the worker and the job of a stack request; `None` if it is another request."""
    try:
        what, worker, job_id = json.loads(question)
    except (ValueError, TypeError):
        return None
    return (worker, job_id) if what == "stack" and isinstance(worker, str) and isinstance(job_id, int) else None


def encode_reply(answer: StackReply) -> str:
    """Encode a reply."""
    return json.dumps(answer)


def read_stack(
    job_id: int, worker: str, at: float, ask: SendRequest, timeout: float, *, across_machines: bool = False
) -> Stack:
    """Request the stack from the process that runs the job, or explain why none is available.

    With `across_machines`, requests reach the workers of all machines; but a worker that has exited, and one that does not
    reply, cannot be told apart.
    """
    host, pid, _ = ("", *worker.rsplit(":", 2))[-3:] if worker.count(":") >= 2 else (worker, "", "")
    process = f"process {pid}" if pid else f"worker {worker}"
    elsewhere = host != socket.gethostname()
    process = f"{process} on {host}" if elsewhere and pid else process
    try:
        answer = ask(encode_request(worker, job_id), timeout)
        if answer is not None:
            return _decode_stack(json.loads(answer), job_id, worker, at)
    except TimeoutError:
        reason = (
            f"{process.capitalize()} runs it and did not reply within {timeout:g} s; its code may be blocking the interpreter."
        )
    except (ValueError, TypeError, KeyError):
        reason = f"{process.capitalize()} runs it and sent an unreadable reply; it may run another version of jobdeck."
    else:
        if across_machines:
            reason = (
                f"{process.capitalize()} runs it and did not reply within {timeout:g} s; its code may be blocking the "
                "interpreter, or it may have exited or run an older version of jobdeck."
            )
        elif elsewhere:
            reason = (
                f"It runs on {host}, in process {pid}; run `jobdeck stack {job_id}` there." if pid else f"It runs in {process}."
            )
        else:
            reason = (
                f"{process.capitalize()} of this machine runs it and did not reply; it may have exited, run another version of "
                "jobdeck, or belong to another user."
            )
    return Stack(job_id=job_id, worker=worker, at=at, reason=reason)


def _decode_stack(answer: StackReply, job_id: int, worker: str, at: float) -> Stack:
    if "reason" in answer:
        return Stack(job_id=job_id, worker=worker, at=at, reason=str(answer["reason"]))
    calls = tuple(Call(str(file), int(line), str(function), str(code)) for file, line, function, code in answer["calls"])
    return Stack(
        job_id=job_id,
        worker=worker,
        at=at,
        calls=calls,
        omitted=int(answer["left_out"]),
        outer=int(answer["outer"]),
        pid=int(answer["pid"]),
    )
