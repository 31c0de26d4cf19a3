"""Reads where the code of a running job is, in the process that runs it. Costs the job nothing, unless somebody looks.

A thread's frames are found by the one of `run_attempt` whose context is the job's: no job has to say beforehand on which
thread it runs. A coroutine is asked what it awaits.
"""

from __future__ import annotations

import linecache
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

from . import shell
from .async_runner import LOOP
from .context import Context
from .executor import run_attempt
from .stack_trace import NOT_BEGUN, Answer

OUTERMOST, INNERMOST = 20, 80
"""Calls that are told of a deep stack."""
_LONGEST = 400
"""Characters of a path, a name or a line of code."""
_OURS = __name__.partition(".")[0]
_BEGINS = "Its handler is about to begin, or has just returned."
_RUN = run_attempt.__code__
_COMMAND = shell.run_command.__code__


def read_calls(context: Context) -> Answer:
    """The calls of the job with this context, from its handler down, without jobdeck's own; or why there are none."""
    frames = LOOP.frames(context)
    if frames is None:
        frames = _thread_frames(context)
    if frames is None:
        return {"told": NOT_BEGUN}
    if (told := _command(frames)) is not None:
        return {"told": told}
    places = [(each.f_code.co_filename, each.f_lineno or 0, each.f_code.co_name, each.f_globals) for each in _theirs(frames)]
    del frames  # they hold what the job's code holds
    if not places:
        return {"told": _BEGINS}
    left_out = max(0, len(places) - OUTERMOST - INNERMOST)
    kept = places[:OUTERMOST] + places[-INNERMOST:] if left_out else places
    return {
        "pid": os.getpid(),
        "calls": [[_cut(file), line, _cut(name), _cut(_source(file, line, scope))] for file, line, name, scope in kept],
        "left_out": left_out,
        "outer": OUTERMOST if left_out else 0,
    }


def _thread_frames(context: Context) -> list[FrameType] | None:
    """The frames inside the attempt, the innermost last; `None` if no thread runs it."""
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


def _theirs(frames: Sequence[FrameType]) -> Iterator[FrameType]:
    """Those of the job's code: what leads to it is ours, and so is what it calls of ours, with all that this calls."""
    begun = False
    for frame in frames:
        ours = str(frame.f_globals.get("__name__", "")).partition(".")[0] == _OURS
        if not ours:
            begun = True
            yield frame
        elif begun:
            return


def _command(frames: Sequence[FrameType]) -> str | None:
    """What is told of a `shell` job in place of its frames, which are all ours."""
    for frame in frames:
        if frame.f_code is _COMMAND:
            pid = getattr(frame.f_locals.get("process"), "pid", None)
            return "It begins a command." if pid is None else f"It runs a command, process {pid}: only Python code has a stack."
    return None


def _source(file: str, line: int, scope: dict[str, Any]) -> str:
    try:
        return linecache.getline(file, line, scope).strip()
    except Exception:  # a loader of somebody's may raise anything
        return ""


def _cut(text: str) -> str:
    text = text.replace("\n", "\\n")  # a line for each call, whatever somebody has compiled
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
