"""The driver of the terminal: reads keys and writes frames on the event loop itself.

Textual reads keys in one thread and writes in another. Each hand-over between threads needs the interpreter lock, which can
take milliseconds beside handlers that compute. Here a key needs the lock once, from the terminal to the frame that
answers it. A terminal that accepts no more bytes blocks the loop, as Textual's full write queue did; the worker threads
continue.

Keys typed faster than they are answered are processed one by one, each when the previous one is fully answered: after "/"
letters are a filter, not commands.
"""

from __future__ import annotations

import asyncio
import os
import signal
from codecs import getincrementaldecoder
from collections import deque
from select import select
from threading import Thread

from textual import constants, screen
from textual.drivers.linux_driver import LinuxDriver
from textual.events import InputEvent, MouseMove
from textual.message import Message

from .event_loop import call_when_idle, with_short_switch_interval
from .job_control import in_foreground
from .key_positions import REQUEST
from .paste import PasteParser
from .splash import ENTER, take_over

ESCAPE_DELAY = 0.025
"""Seconds after which an esc without a following byte is a key. A terminal sends a sequence in one piece, and networks seldom
split it: with Textual's default of 0.1 s, going back would be the slowest key. ESCDELAY (ms) overrides this."""
REPAINT = 0.005
"""The minimum number of seconds between two frames; changes in between share one. A key pressed just after a frame waits up to
twice this time; at Textual's default of 1/60 s, the wait took twice as long as the work."""
PATIENCE = 0.5
"""The maximum number of seconds that a key waits for the response to the previous one."""
READ = 4096
"""The maximum number of bytes of keys, mouse movements or pasted text per read."""


class InlineDriver(LinuxDriver):
    """Textual's driver of a terminal, without threads."""

    _listening = False
    """Whether the event loop reads the keys."""
    _escape_timer: asyncio.TimerHandle | None = None
    _answer_timeout: asyncio.TimerHandle | None = None
    """While a key is being answered: the timer that stops waiting for it."""

    def start_application_mode(self) -> None:
        """Take over the terminal and start reading."""
        _set_delays()
        self._unwritten: list[str] = []
        self._received: deque[Message] = deque()
        self._parser = PasteParser(self._debug)
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if not constants.DISABLE_KITTY_KEY:
            self.write(REQUEST)
        self._listen()
        self.flush()

    # -- the shell's job control ------------------------------------------------------------------

    _away = False
    """Whether the terminal has been left to the shell: nothing is written meanwhile."""

    def _sigtstp_application(self, *_: object) -> None:
        # On the loop, so that no frame is cut in two.
        self._loop.call_soon_threadsafe(self._suspend)

    def _sigcont_application(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._continue)

    def _suspend(self) -> None:
        """Leave the terminal as it was found, and stop."""
        if self._auto_restart and not self._away:
            self.suspend_application_mode()
            self._away = True
        os.kill(os.getpid(), signal.SIGSTOP)

    def _continue(self) -> None:
        """Take the terminal again and have everything painted; stop again if it belongs to another program (`bg`)."""
        if not self._auto_restart:
            return
        if not in_foreground(self.fileno):
            os.kill(os.getpid(), signal.SIGSTOP)
            return
        if not self._away:  # stopped without notice: whoever had the terminal meanwhile may have drawn and set modes
            self.suspend_application_mode()
        self._away = False
        self._must_signal_resume = True
        self.resume_application_mode()

    def _run_input_thread(self) -> None:
        """Do nothing: Textual would read here in a separate thread."""

    def _listen(self) -> None:
        try:
            self._loop.add_reader(self.fileno, self._read)
            self._listening = True
        except OSError:  # a file that the loop cannot wait for is read the usual way
            self._key_thread = Thread(target=super()._run_input_thread, name="textual-input")
            self._key_thread.start()

    def _stop_listening(self) -> None:
        if self._escape_timer is not None:
            self._escape_timer.cancel()
        if self._listening:
            self._loop.remove_reader(self.fileno)
            self._listening = False

    def disable_input(self) -> None:
        """Stop reading input."""
        self._stop_listening()
        super().disable_input()

    def _read(self) -> None:
        try:
            read = with_short_switch_interval(os.read, self.fileno, READ)
        except BlockingIOError:
            return
        except OSError:
            read = b""
        if not read:
            self._stop_listening()
            return
        for event in self._parser.feed(self._decode(read)):
            self.process_message(event)
        if self._escape_timer is not None:
            self._escape_timer.cancel()
        # If no byte follows, esc was a key and not the start of a sequence.
        self._escape_timer = self._loop.call_later(constants.ESCAPE_DELAY + 0.001, self._tick)

    def _tick(self) -> None:
        for event in self._parser.tick():
            self.process_message(event)

    def send_message(self, message: Message) -> None:
        """Send a message to the app, which runs on the same loop, once the previous key has been answered."""
        self._received.append(message)
        if self._answer_timeout is None:
            self._send()

    def _send(self) -> None:
        while self._received:
            message = self._received.popleft()
            self._app.post_message(message)
            if isinstance(message, InputEvent) and not isinstance(message, MouseMove):
                self._answer_timeout = self._loop.call_later(PATIENCE, self._on_answered)
                call_when_idle(self._loop, self._on_answered)
                return

    def _on_answered(self) -> None:
        if self._answer_timeout is not None:
            self._answer_timeout.cancel()
            self._answer_timeout = None
            self._send()

    def write(self, data: str) -> None:
        """Buffer the data for the next `flush`, so that a frame is written in one piece."""
        if self._away:
            return
        if data == ENTER and take_over():
            return  # the splash is on that screen already
        if not self._unwritten:
            self._loop.call_soon(self.flush)  # in case Textual does not call it
        self._unwritten.append(data)

    def flush(self) -> None:
        """Write the buffered data."""
        if not self._unwritten:
            return
        assert self._file is not None
        remaining = memoryview("".join(self._unwritten).encode(errors="backslashreplace"))
        self._unwritten.clear()
        while remaining:
            try:
                remaining = remaining[with_short_switch_interval(os.write, self._file.fileno(), remaining) :]
            except BlockingIOError:  # another program has made the terminal non-blocking
                select([], [self._file.fileno()], [])
            except OSError:  # the terminal is gone: its hang-up signal ends the program
                return


def _set_delays() -> None:
    """Set Textual's delays, which it declares final and does not take as arguments."""
    if "ESCDELAY" not in os.environ:
        setattr(constants, "ESCAPE_DELAY", ESCAPE_DELAY)  # noqa: B010
    if "TEXTUAL_FPS" not in os.environ:
        setattr(screen, "UPDATE_PERIOD", REPAINT)  # noqa: B010
