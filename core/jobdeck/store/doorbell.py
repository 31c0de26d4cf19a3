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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


class Doorbell:
    """The bell of one database file."""

    def __init__(self, database: Path) -> None:
        # A socket's path may hold 107 bytes only, so the folder is named by a hash.
        name = hashlib.sha256(str(database.resolve()).encode()).hexdigest()[:16]
        owner = os.getuid() if hasattr(os, "getuid") else 0
        self._owner = owner
        self._folder = Path(tempfile.gettempdir()) / f"jobdeck-{owner}-{name}"
        self._sender: socket.socket | None = None
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path:
        """Where the sockets of the listeners are."""
        return self._folder

    def ring(self) -> None:
        """Wake every listener. Never blocks, never raises."""
        try:
            if not self._trusted():
                return
            addresses = list(self._folder.iterdir())
        except OSError:
            return
        for address in addresses:
            self._send(address)

    def _trusted(self) -> bool:
        """Whether the folder is ours: anyone may make one of its name, or a link to another, where all may write."""
        about = self._folder.lstat()
        return stat.S_ISDIR(about.st_mode) and about.st_uid == self._owner

    def _send(self, address: Path) -> None:
        with self._lock:
            try:
                if self._sender is None:
                    self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                    self._sender.setblocking(False)
                self._sender.sendto(b"!", str(address))
            except BlockingIOError:
                pass  # its buffer is full of rings: it will wake anyway
            except (ConnectionRefusedError, FileNotFoundError):
                # The listener died without hanging up.
                with contextlib.suppress(OSError):
                    if stat.S_ISSOCK(address.lstat().st_mode):
                        address.unlink()
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
            self._send(address)  # the thread hears, and sees that it is over
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
