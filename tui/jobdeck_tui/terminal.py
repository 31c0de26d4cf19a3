"""The terminal of the cockpit: keys are read and pictures are written on the event loop itself.

Textual reads keys in one thread and writes in another. Each hand-over from thread to thread asks for a turn of the
interpreter, and beside handlers that compute a turn comes milliseconds later. Here a key takes one turn from the terminal to
the picture that answers it. A terminal that takes no more bytes holds the loop up, as it did when Textual's queue of
writes was full; the worker threads go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from codecs import getincrementaldecoder

from textual import constants, screen
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from .loop import giving_way

ESCAPE_DELAY = 0.025
"""Seconds after which an esc that nothing follows is a key. A terminal sends a sequence in one piece, and what is sent through
a network is cut seldom: Textual's own 0.1 s would make going back the slowest of all keys. ESCDELAY (ms) says otherwise."""
REPAINT = 0.005
"""Seconds, at least, between two pictures. What changes in between shares one. A key that comes just after a picture waits for
up to two of these; with Textual's own 1/60 s that was twice the work of its answer."""
READ = 4096
"""Bytes of keys, mouse movements or pasted text, at most, that are taken in one go."""


class PromptTerminal(LinuxDriver):
    """Textual's driver of a terminal, without threads."""

    _on_loop: asyncio.AbstractEventLoop | None = None
    """The loop that listens to the terminal, while it does."""
    _wanted = False
    """Whether keys are to be heard."""
    _ticking: asyncio.TimerHandle | None = None

    def start_application_mode(self) -> None:
        """Take the terminal over, and listen to it."""
        self._wanted = True
        _set_pace()
        self._unwritten: list[str] = []
        self._parser = XTermParser(self._debug)
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self.flush()

    def _run_input_thread(self) -> None:
        """Textual begins to read in a thread of its own: here it is where the loop is told to listen."""
        self._loop.call_soon_threadsafe(self._listen)

    def _listen(self) -> None:
        if self._on_loop is not None or not self._wanted:
            return
        try:
            self._loop.add_reader(self.fileno, self._read)
        except OSError:  # a file, say: it cannot be waited for
            self._read()
        else:
            self._on_loop = self._loop

    def _hear_no_more(self) -> None:
        self._wanted = False
        if self._ticking is not None:
            self._ticking.cancel()
        if self._on_loop is not None:
            self._on_loop.remove_reader(self.fileno)
            self._on_loop = None

    def disable_input(self) -> None:
        """Hear no more."""
        self._hear_no_more()
        super().disable_input()

    def _read(self) -> None:
        try:
            with giving_way():
                read = os.read(self.fileno, READ)
        except BlockingIOError:
            return
        except OSError:
            read = b""
        if not read:
            self._hear_no_more()
            return
        for event in self._parser.feed(self._decode(read)):
            self.process_message(event)
        if self._ticking is not None:
            self._ticking.cancel()
        # Whether esc was a key or the begin of a sequence is known when nothing follows.
        self._ticking = self._loop.call_later(constants.ESCAPE_DELAY + 0.001, self._tick)

    def _tick(self) -> None:
        for event in self._parser.tick():
            self.process_message(event)

    def send_message(self, message: Message) -> None:
        """To the app, which runs on the same loop."""
        self._app.post_message(message)

    def write(self, data: str) -> None:
        """Keep it for the next `flush`, so that a picture goes out in one piece."""
        if not self._unwritten:
            self._loop.call_soon(self.flush)  # if nobody calls it
        self._unwritten.append(data)

    def flush(self) -> None:
        """Write what was kept."""
        if not self._unwritten:
            return
        assert self._file is not None
        left = memoryview("".join(self._unwritten).encode(errors="backslashreplace"))
        self._unwritten.clear()
        with giving_way(), contextlib.suppress(OSError):  # a terminal that is gone: who hears of that ends the program
            while left:
                left = left[os.write(self._file.fileno(), left) :]


def _set_pace() -> None:
    """Textual takes neither as an argument, and calls both final."""
    if "ESCDELAY" not in os.environ:
        setattr(constants, "ESCAPE_DELAY", ESCAPE_DELAY)  # noqa: B010
    if "TEXTUAL_FPS" not in os.environ:
        setattr(screen, "UPDATE_PERIOD", REPAINT)  # noqa: B010
