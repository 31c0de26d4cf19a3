"""Handlers that run until a test lets them finish."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.core.helpers import registry

from jobdeck import Registry, context


class Handlers:
    """A kind that returns at once, and one that waits for an event."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.ended = threading.Event()
        self.stopped = threading.Event()

    def quick(self) -> str:
        return "done"

    def slow(self) -> str:
        self.begun.set()
        while not self.go.wait(0.01):
            if context().stopping:
                self.stopped.set()
                return "stopped"
        context().progress(0.9)
        self.ended.set()
        return "slowly done"

    @property
    def registry(self) -> Registry:
        return registry(quick=self.quick, slow=self.slow)


@contextmanager
def waiting_handlers() -> Iterator[Handlers]:
    """Return the handlers, and let those that still wait finish at the end."""
    made = Handlers()
    yield made
    made.go.set()
