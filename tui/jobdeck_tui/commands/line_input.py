"""Reads standard input in chunks of lines, as they arrive: nothing waits for the end of a slow input."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator

CHUNK = 1000
"""The maximum number of lines of a chunk: the number of jobs that are enqueued in one transaction."""
_PAUSE = 0.1
"""Seconds without input after which the lines that have arrived are enqueued."""
_BLOCK = 1 << 16


def read_chunks(separator: bytes) -> Iterator[list[tuple[int, str]]]:
    """Yield the lines that are not empty, with their numbers from 1, in chunks.

    Args:
        separator: the byte that ends a line: newline, or NUL.
    """
    number, rest = 0, b""
    ready: list[tuple[int, str]] = []
    for block in _blocks():
        *lines, rest = (rest + block).split(separator) if block else (rest,)
        for line in lines:
            number += 1
            if line:
                ready.append((number, os.fsdecode(line)))
        while len(ready) >= CHUNK:
            yield ready[:CHUNK]
            ready = ready[CHUNK:]
        if not block and ready:
            yield ready
            ready = []
    if rest:
        ready.append((number + 1, os.fsdecode(rest)))
    if ready:
        yield ready


def _blocks() -> Iterator[bytes]:
    """Yield what arrives; `b""` for each pause."""
    stream = sys.stdin.buffer
    try:
        file = stream.fileno()
    except (OSError, ValueError):  # not a file
        yield stream.read()
        return
    while True:
        if not select.select([file], [], [], _PAUSE)[0]:
            yield b""
            select.select([file], [], [])
        block = os.read(file, _BLOCK)
        if not block:
            return
        yield block
