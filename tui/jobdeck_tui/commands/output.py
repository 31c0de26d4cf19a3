"""The output of commands: JSON for scripts; colored states, aligned fields and warnings for people."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from typing import Any

import click

from jobdeck import Queue, State

from ..text.format import ASCII_GLYPHS, COLORS, GLYPHS
from ..text.sanitize import pad, safe_json
from .common import print_error

MISSING = "—"


def print_json(document: Any) -> None:
    """Print one JSON document on one line, with control characters escaped, and all but ASCII where the output is not UTF-8."""
    utf8 = (sys.stdout.encoding or "").replace("-", "").lower() == "utf8"
    click.echo(safe_json(json.dumps(document, ensure_ascii=not utf8, separators=(",", ":"), default=str)))


def on_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def columns() -> int | None:
    """Return the width of the terminal; `None` if standard output is not one and nothing needs to fit."""
    if not on_terminal():
        return None
    setting = os.environ.get("COLUMNS", "")
    try:
        return int(setting) if setting.isdecimal() and int(setting) else os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return 80


def dim(text: str) -> str:
    """Dim the text."""
    return click.style(text, dim=True)


def state_text(state: State, *, cancelling: bool = False) -> str:
    """Return glyph and word on a terminal, the word alone elsewhere, so that scripts can split the line."""
    word = "cancelling" if cancelling else str(state)
    if not on_terminal():
        return word
    glyph = (GLYPHS if _supports_glyphs() else ASCII_GLYPHS)[state]
    return f"{glyph} {word}"


def tick(met: bool) -> str:
    """Return a mark for yes or no, in ASCII if the output encoding has no other."""
    if _supports_glyphs():
        return "✓" if met else "✗"
    return "+" if met else "x"


def colored(text: str, state: State) -> str:
    """Color the text as the state."""
    return click.style(text, fg=COLORS[state])


def _supports_glyphs() -> bool:
    try:
        "".join(GLYPHS.values()).encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print names and values aligned; indent further lines of a value below its first."""
    made = [*fields]
    size = max((len(name) for name, _ in made), default=0)
    for name, value in made:
        first, *others = value.split("\n")
        click.echo(f"{dim(pad(name, size))}  {first}")
        for other in others:
            click.echo(f"{' ' * (size + 2)}{other}")


def warn_if_no_worker(queue: Queue, whom: str) -> None:
    """Warn on standard error if no worker is alive, so that a waiting command does not look like a running job.

    Args:
        queue: the queue of the jobs.
        whom: what waits for a worker, as the start of a sentence: `Job 4`.
    """
    if not any(worker.alive for worker in queue.workers.list()):
        print_error(f"{whom} waits for a worker; `jobdeck` or `jobdeck worker` starts one.")


def count_of(n: int, noun: str = "job") -> str:
    """`1 job`, `1,200 jobs`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
