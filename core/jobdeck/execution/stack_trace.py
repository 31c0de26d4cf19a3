"""Where the code of a running job is: the record, and how one process asks another for it.

Question and answer are JSON on one line. Whoever runs the job reads its frames (see `frames.py`); whoever asks makes of the
answer a `Stack`, and says in words why there is none.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

TIMEOUT = 0.5
"""Seconds that the process which runs the job gets to answer."""
ENDED = "Its code has just ended."
NOT_BEGUN = "It is claimed, and waits for a thread to begin."

Answer = Mapping[str, Any]
"""`pid`, `calls` as `[file, line, function, code]` with the innermost last, `left_out`; or `told`, why there are none."""
Ask = Callable[[str, float], str | None]
"""Puts a question to the workers of this machine, and waits so many seconds; see `Store.ask`."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a stack."""

    file: str
    line: int
    function: str
    code: str
    """The line of source that it is at; empty where that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Where the code of a running job is at a moment, from its handler down. May hold any text."""

    job_id: int
    worker: str
    """Who runs it."""
    at: float
    """When that was read."""
    calls: tuple[Call, ...] = ()
    """The innermost last; of a coroutine what it awaits."""
    left_out: int = 0
    """How many calls are left out in the middle of a very deep one."""
    outer: int = 0
    """How many of the calls stand before those that are left out."""
    pid: int | None = None
    """The process that the code runs in: the worker's, or a child of it."""
    told: str = ""
    """Why there are no calls, in one sentence; empty if there are."""

    @property
    def text(self) -> str:
        """The calls as Python prints a traceback; empty if there are none."""
        lines: list[str] = []
        for at, call in enumerate(self.calls):
            if self.left_out and at == self.outer:
                lines.append(f"  [{self.left_out:,} calls are left out here]")
            lines.append(f'  File "{call.file}", line {call.line}, in {call.function}')
            lines += [f"    {call.code}"] if call.code else []
        return "\n".join(["Stack (most recent call last):", *lines]) if lines else ""


def question_of(worker: str, job_id: int) -> str:
    """Asks a worker where the code of a job is."""
    return json.dumps(["stack", worker, job_id])


def asked(question: str) -> tuple[str, int] | None:
    """The worker and the job that a question is about; `None` if it is about something else."""
    try:
        what, worker, job_id = json.loads(question)
    except (ValueError, TypeError):
        return None
    return (worker, job_id) if what == "stack" and isinstance(worker, str) and isinstance(job_id, int) else None


def packed(answer: Answer) -> str:
    """An answer as it is sent."""
    return json.dumps(answer)


def read_stack(job_id: int, worker: str, at: float, ask: Ask, timeout: float) -> Stack:
    """Ask the process that runs the job, if it is on this machine."""
    host, pid, _ = ("", *worker.rsplit(":", 2))[-3:] if worker.count(":") >= 2 else (worker, "", "")
    process = f"process {pid}" if pid else f"worker {worker}"
    if host != socket.gethostname():
        told = f"It runs on {host}, in {process}: `jobdeck stack {job_id}` tells its stack there."
        return Stack(job_id=job_id, worker=worker, at=at, told=told)
    try:
        answer = ask(question_of(worker, job_id), timeout)
    except TimeoutError:
        told = f"{process.capitalize()} runs it and did not answer within {timeout:g} s: its code may hold the interpreter."
        return Stack(job_id=job_id, worker=worker, at=at, told=told)
    if answer is None:
        told = f"{process.capitalize()} of this machine runs it and did not answer: it may have ended, or be another user's."
        return Stack(job_id=job_id, worker=worker, at=at, told=told)
    try:
        return _stack_of(json.loads(answer), job_id, worker, at)
    except (ValueError, TypeError, KeyError):
        told = f"{process.capitalize()} runs it and answered what cannot be read: it may be of another version of jobdeck."
        return Stack(job_id=job_id, worker=worker, at=at, told=told)


def _stack_of(answer: Answer, job_id: int, worker: str, at: float) -> Stack:
    if "told" in answer:
        return Stack(job_id=job_id, worker=worker, at=at, told=str(answer["told"]))
    calls = tuple(Call(str(file), int(line), str(function), str(code)) for file, line, function, code in answer["calls"])
    return Stack(
        job_id=job_id,
        worker=worker,
        at=at,
        calls=calls,
        left_out=int(answer["left_out"]),
        outer=int(answer["outer"]),
        pid=int(answer["pid"]),
    )
