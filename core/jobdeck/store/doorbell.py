"""Wake-up across processes for stores that cannot notify: one Unix datagram socket a listener.

Whoever has committed claimable jobs rings; every listening process wakes within microseconds and nobody
polls. A lost ring costs no job: workers also look by themselves now and then. Where there are no Unix
sockets (Windows), or no folder for them, ringing does nothing and that slow look is what remains.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

_STEP = 50_000_000
"""Nanoseconds: more than the step of a file system's clock."""


class Doorbell:
    """The bell of one database file."""

    def __init__(self, database: Path) -> None:
        # A socket's path may hold 107 bytes only, so the folder is named by a hash.
        name = hashlib.sha256(str(database.resolve()).encode()).hexdigest()[:16]
        owner = os.getuid() if hasattr(os, "getuid") else 0
        self._owner = owner
        self._folder = Path(tempfile.gettempdir()) / f"jobdeck-{owner}-{name}"
        self._sender: socket.socket | None = None
        self._listed: tuple[int, list[str]] | None = None
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path:
        """Where the sockets of the listeners are."""
        return self._folder

    def ring(self) -> None:
        """Wake every listener. Never blocks, never raises."""
        try:
            about = self._folder.lstat()
            # The folder's own time changes with each listener that comes or goes.
            if self._listed is None or self._listed[0] != about.st_mtime_ns:
                trusted = self._is_ours(about)
                addresses = [str(each) for each in self._folder.iterdir()] if trusted else []
                # That time goes in steps of some milliseconds: what came in the same step would not be seen.
                settled = abs(time.time_ns() - about.st_mtime_ns) > _STEP
                self._listed = (about.st_mtime_ns, addresses) if settled else None
            else:
                addresses = self._listed[1]
        except OSError:
            return
        for address in addresses:
            self._send(address)

    def _trusted(self) -> bool:
        return self._is_ours(self._folder.lstat())

    def _is_ours(self, about: os.stat_result) -> bool:
        """Whether the folder is ours: anyone may make one of its name, or a link to another, where all may write."""
        return stat.S_ISDIR(about.st_mode) and about.st_uid == self._owner

    def _send(self, address: str) -> None:
        with self._lock:
            try:
                if self._sender is None:
                    self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                    self._sender.setblocking(False)
                self._sender.sendto(b"!", address)
            except BlockingIOError:
                pass  # its buffer is full of rings: it will wake anyway
            except (ConnectionRefusedError, FileNotFoundError):
                # The listener died without hanging up.
                with contextlib.suppress(OSError):
                    self._listed = None
                    if stat.S_ISSOCK(os.lstat(address).st_mode):
                        Path(address).unlink()
            except (OSError, AttributeError):
                pass  # no Unix sockets here

    def _bind(self) -> tuple[socket.socket, Path]:
        for attempt in range(3):
            self._folder.mkdir(exist_ok=True, mode=0o700)
            if not self._trusted():
                raise PermissionError(self._folder)
            receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            address = self._folder / uuid4().hex[:12]
            try:
                receiver.bind(str(address))
            except OSError:
                receiver.close()
                if attempt == 2:
                    raise
                # The last listener may have removed the folder in this very moment.
            else:
                return receiver, address
        raise AssertionError

    @contextmanager
    def listen(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake`, on a thread of its own, each time the bell rings."""
        try:
            receiver, address = self._bind()
        except (OSError, AttributeError):
            yield
            return
        ended = False

        def hear() -> None:
            while not ended:
                try:
                    receiver.recv(16)
                except OSError:
                    return
                if not ended:
                    wake()

        thread = threading.Thread(target=hear, name="jobdeck-doorbell", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended = True
            self._send(str(address))  # the thread hears, and sees that it is over
            with contextlib.suppress(OSError):
                address.unlink()
                self._folder.rmdir()  # succeeds for the last listener; the others still have their sockets in it
            thread.join(timeout=1.0)
            receiver.close()

    def close(self) -> None:
        """Let go of the sending socket."""
        with self._lock:
            if self._sender is not None:
                self._sender.close()
                self._sender = None
