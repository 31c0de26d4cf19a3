"""Capture the stack of a running job, in the process that runs it. Jobs pay nothing unless a stack is requested.

The thread of a job is found by its frame of `execute` with the job's context, so jobs need not register their
threads. The stack of a coroutine consists of the coroutines that it awaits.
"""

from __future__ import annotations

import linecache
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

from . import command
from .async_runner import RUNNER
from .context import JobContext
from .executor import execute
from .stack_trace import NOT_STARTED, StackReply

OUTERMOST, INNERMOST = 20, 80
"""The number of calls kept from each end of a deep stack."""
_MAX_LENGTH = 400
"""The maximum length of a path, a name or a line of code."""
_PACKAGE = __name__.partition(".")[0]
_BETWEEN = "Its handler is about to start, or has just returned."
_RUN = execute.__code__
_COMMAND = command.run_command.__code__


def capture_stack(context: JobContext) -> StackReply:
    """Return the calls of a job from its handler down, without jobdeck's own, or the reason why none are available."""
    frames = RUNNER.frames(context)
    if frames is None:
        frames = _thread_frames(context)
    if frames is None:
        return {"reason": NOT_STARTED}
    if (reason := _describe_command(frames)) is not None:
        return {"reason": reason}
    calls = [
        (each.f_code.co_filename, each.f_lineno or 0, each.f_code.co_name, each.f_globals) for each in _user_frames(frames)
    ]
    del frames  # frames keep the local variables of the job alive
    if not calls:
        return {"reason": _BETWEEN}
    left_out = max(0, len(calls) - OUTERMOST - INNERMOST)
    kept = calls[:OUTERMOST] + calls[-INNERMOST:] if left_out else calls
    return {
        "pid": os.getpid(),
        "calls": [
            [_shorten(file), line, _shorten(name), _shorten(_source_line(file, line, scope))]
            for file, line, name, scope in kept
        ],
        "left_out": left_out,
        "outer": OUTERMOST if left_out else 0,
    }


def _thread_frames(context: JobContext) -> list[FrameType] | None:
    """Return the frames inside the attempt, innermost last; `None` if no thread runs it."""
    threads = sys._current_frames()
    threads.pop(threading.get_ident(), None)
    for innermost in threads.values():
        inside: list[FrameType] = []
        frame: FrameType | None = innermost
        while frame is not None:
            if frame.f_code is _RUN and frame.f_locals.get("given") is context:
                return inside[::-1]
            inside.append(frame)
            frame = frame.f_back
    return None


def _user_frames(frames: Sequence[FrameType]) -> Iterator[FrameType]:
    """Yield the frames of the job's code: skip those of jobdeck above it, and stop at the first call into jobdeck."""
    started = False
    for frame in frames:
        ours = str(frame.f_globals.get("__name__", "")).partition(".")[0] == _PACKAGE
        if not ours:
            started = True
            yield frame
        elif started:
            return


def _describe_command(frames: Sequence[FrameType]) -> str | None:
    """Describe a `shell` job, whose frames all belong to jobdeck; `None` for other jobs."""
    for frame in frames:
        if frame.f_code is _COMMAND:
            pid = getattr(frame.f_locals.get("process"), "pid", None)
            return (
                "It is starting a command."
                if pid is None
                else f"It runs a command, process {pid}; only Python code has a stack."
            )
    return None


def _source_line(file: str, line: int, scope: dict[str, Any]) -> str:
    try:
        return linecache.getline(file, line, scope).strip()
    except Exception:  # a custom loader may raise anything
        return ""


def _shorten(text: str) -> str:
    text = text.replace("\n", "\\n")  # one line per call, whatever names and code contain
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 1] + "…"
