"""Measures event loop stalls: the longest gap between two iterations of a task that never waits.

Time taken by other programs is excluded: only CPU time of this process counts.
"""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self


class Stalls:
    """A context manager that measures stalls."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._task: asyncio.Task[None] | None = None

    async def _beat(self) -> None:
        before = time.monotonic(), time.process_time()
        while True:
            await asyncio.sleep(0.005)
            now = time.monotonic(), time.process_time()
            self.longest = max(self.longest, min(now[0] - before[0], now[1] - before[1]))
            before = now

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._beat())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        await asyncio.sleep(0.01)
        self._task.cancel()
