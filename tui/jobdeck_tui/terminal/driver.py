"""The terminal of the cockpit: keys are read and pictures are written on the event loop itself.

Textual reads keys in one thread and writes in another. Each hand-over from thread to thread asks for a turn of the
interpreter, and beside handlers that compute a turn comes milliseconds later. Here a key takes one turn from the terminal to
the picture that answers it. A terminal that takes no more bytes holds the loop up, as it did when Textual's queue of
writes was full; the worker threads go on.

What is typed faster than it is answered is heard key by key, each when all that came of the one before is done: after "/"
letters are a filter, and no commands.
"""

from __future__ import annotations

import asyncio
import os
from codecs import getincrementaldecoder
from collections import deque
from select import select
from threading import Thread

from textual import constants, screen
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.events import InputEvent, MouseMove
from textual.message import Message

from .event_loop import promptly, when_at_rest
from .splash import ENTER, taken_over

ESCAPE_DELAY = 0.025
"""Seconds after which an esc that nothing follows is a key. A terminal sends a sequence in one piece, and what is sent through
a network is cut seldom: Textual's own 0.1 s would make going back the slowest of all keys. ESCDELAY (ms) says otherwise."""
REPAINT = 0.005
"""Seconds, at least, between two pictures. What changes in between shares one. A key that comes just after a picture waits for
up to two of these; with Textual's own 1/60 s that was twice the work of its answer."""
PATIENCE = 0.5
"""Seconds, at most, that a key waits for the answer to the one before."""
READ = 4096
"""Bytes of keys, mouse movements or pasted text, at most, that are taken in one go."""


class PromptTerminal(LinuxDriver):
    """Textual's driver of a terminal, without threads."""

    _listening = False
    """Whether the loop reads the keys."""
    _ticking: asyncio.TimerHandle | None = None
    _overdue: asyncio.TimerHandle | None = None
    """While a key is being answered: the end of the patience with it."""

    def start_application_mode(self) -> None:
        """Take the terminal over, and listen to it."""
        _set_pace()
        self._unwritten: list[str] = []
        self._heard: deque[Message] = deque()
        self._parser = XTermParser(self._debug)
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self._listen()
        self.flush()

    def _run_input_thread(self) -> None:
        """Textual would read in a thread of its own. It has nothing to do here, and ends."""

    def _listen(self) -> None:
        try:
            self._loop.add_reader(self.fileno, self._read)
            self._listening = True
        except OSError:  # what the loop cannot wait for is read the usual way
            self._key_thread = Thread(target=super()._run_input_thread, name="textual-input")
            self._key_thread.start()

    def _hear_no_more(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        if self._listening:
            self._loop.remove_reader(self.fileno)
            self._listening = False

    def disable_input(self) -> None:
        """Hear no more."""
        self._hear_no_more()
        super().disable_input()

    def _read(self) -> None:
        try:
            read = promptly(os.read, self.fileno, READ)
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
        """To the app, which runs on the same loop: when the answer to the key before is done."""
        self._heard.append(message)
        if self._overdue is None:
            self._send()

    def _send(self) -> None:
        while self._heard:
            message = self._heard.popleft()
            self._app.post_message(message)
            if isinstance(message, InputEvent) and not isinstance(message, MouseMove):
                self._overdue = self._loop.call_later(PATIENCE, self._answered)
                when_at_rest(self._loop, self._answered)
                return

    def _answered(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None
            self._send()

    def write(self, data: str) -> None:
        """Keep it for the next `flush`, so that a picture goes out in one piece."""
        if data == ENTER and taken_over():
            return  # the greeting is on that screen already
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
        while left:
            try:
                left = left[promptly(os.write, self._file.fileno(), left) :]
            except BlockingIOError:  # another program has told the terminal not to wait
                select([], [self._file.fileno()], [])
            except OSError:  # it is gone: who hears of that ends the program
                return


def _set_pace() -> None:
    """Textual takes neither as an argument, and calls both final."""
    if "ESCDELAY" not in os.environ:
        setattr(constants, "ESCAPE_DELAY", ESCAPE_DELAY)  # noqa: B010
    if "TEXTUAL_FPS" not in os.environ:
        setattr(screen, "UPDATE_PERIOD", REPAINT)  # noqa: B010
