"""Wakes workers across processes, and passes requests between them, through one Unix datagram socket for each listener.

A process that has committed claimable jobs notifies the others; every listening process wakes within microseconds, without
polling. A lost notification loses no job: workers also poll now and then. Without Unix sockets (Windows), or a folder for
them, a notification does nothing and the slow poll remains.

A request is a datagram that carries a socket, to which the process that it concerns writes its reply. The folder belongs to
its owner alone, and so do both.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
import sys
import threading
from array import array
from binascii import crc32
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import fork
from ..clock import time
from ..logs import get_logger

logger = get_logger("jobdeck.store")

_STEP = 50_000_000
"""Nanoseconds: more than the resolution of a file system's clock."""
_QUESTION = 1024
"""Bytes of a request at most."""
_CHECK_INTERVAL = 1
"""Seconds between two checks that the socket still exists, as often as workers poll."""
_PATIENCE = 0.2
"""Seconds that a reply waits for buffer space: the requester reads, or has given up."""

Reply = Callable[[str], None]
"""Sends the reply, one line; from any thread, once."""
RequestHandler = Callable[[str, Reply], bool]
"""Takes a request and a way to reply; returns whether it replies, now or soon. Must neither block nor raise."""

_FULL = 8
"""The number of datagrams in a row after which notifications may have been dropped: Linux queues ten for a listener by default
(net.unix.max_dgram_qlen, see unix(7))."""

_ROOM = socket.CMSG_SPACE(4) if hasattr(socket, "CMSG_SPACE") else 0
_AT_ONCE = getattr(socket, "MSG_DONTWAIT", 0)
_CLOSED = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
"""The programs that handlers start do not inherit the sockets of requests."""


class _Reply:
    """The way back to the requester."""

    def __init__(self, to: socket.socket) -> None:
        self._to = to

    def __call__(self, answer: str) -> None:
        with self._to, contextlib.suppress(OSError):  # the requester may have given up
            self._to.settimeout(_PATIENCE)
            self._to.sendall(answer.encode() + b"\n")


def _temporary_folder() -> Path:
    """Return the folder of `tempfile.gettempdir`. That loads slowly, and is needed only without the usual folder."""
    usual = Path(next(filter(None, map(os.environ.get, ("TMPDIR", "TEMP", "TMP"))), "/tmp"))  # noqa: S108
    if "tempfile" not in sys.modules and usual.is_dir() and os.access(usual, os.W_OK | os.X_OK):
        return usual.absolute()
    import tempfile

    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:  # none can be written to: without notifications, the slow poll remains
        return Path("/tmp")  # noqa: S108


class RequestHandlers:
    """The handlers of this process for the requests of others."""

    def __init__(self) -> None:
        self._handlers: list[RequestHandler] = []

    @contextmanager
    def serve(self, handler: RequestHandler) -> Iterator[None]:
        """Let the listeners of this process pass requests to the handler."""
        self._handlers.append(handler)
        try:
            yield
        finally:
            self._handlers.remove(handler)

    def answer(self, question: str, reply: Reply) -> bool:
        """Pass the request to the handlers, and return whether one of them replies, now or later, on any thread."""
        try:
            return any(handler(question, reply) for handler in tuple(self._handlers))
        except Exception:  # a bug there must not lose the notifications that follow
            logger.exception("The request of another process could not be answered")
            return False

    def after_fork(self) -> None:
        """Forget the parent's handlers, in the child: it does not listen."""
        self._handlers = []


class SocketNotifier(RequestHandlers):
    """The notifier of one database file."""

    across_machines = False

    def __init__(self, database: Path) -> None:
        super().__init__()
        # A socket's path may hold 107 bytes only, so the folder is named by checksums.
        path = os.fsencode(os.path.realpath(database))
        name = f"{crc32(path):08x}{crc32(path[::-1]):08x}"
        owner = os.getuid() if hasattr(os, "getuid") else 0
        self._owner = owner
        self._folder = _temporary_folder() / f"jobdeck-{owner}-{name}"
        self._name = str(self._folder)
        self._sender: socket.socket | None = None
        self._listed: tuple[int, list[str]] | None = None
        self._lock = threading.Lock()
        self._listeners: set[_Listener] = set()
        fork.register(self)

    def after_fork(self) -> None:
        """Close the parent's sockets in the child: a listener that died must be seen as dead. Listening ends."""
        self._lock = threading.Lock()
        super().after_fork()
        for listener in self._listeners:
            listener.close()
        self._listeners = set()
        if self._sender is not None:
            self._sender.close()
        self._sender = self._listed = None

    @property
    def folder(self) -> Path:
        """The folder of the listeners' sockets."""
        return self._folder

    def notify(self) -> None:
        """Wake every listener. Never blocks, never raises."""
        for address in self._addresses():
            self.send(address)

    def _addresses(self) -> list[str]:
        """Return the sockets of the listeners."""
        try:
            about = os.stat(self._name, follow_symlinks=False)  # noqa: PTH116  # after each commit
            # The folder's modification time changes with each listener that is added or removed.
            if self._listed is None or self._listed[0] != about.st_mtime_ns:
                trusted = self._is_ours(about)
                addresses = [str(each) for each in self._folder.iterdir()] if trusted else []
                # That time has a resolution of some milliseconds: a change within the same step would be missed.
                settled = abs(time.time_ns() - about.st_mtime_ns) > _STEP
                self._listed = (about.st_mtime_ns, addresses) if settled else None
            else:
                addresses = self._listed[1]
        except OSError:
            return []
        return addresses

    def request(self, question: str, timeout: float) -> str | None:
        """Send a request to every listener, and return the first reply; `None` without one.

        Raises:
            TimeoutError: a process received the request, and none replied within `timeout` seconds.
        """
        try:
            ours, theirs = socket.socketpair()
        except OSError:
            return None
        with ours:
            with theirs:
                for address in self._addresses():
                    self.send(address, b"?" + question.encode(), theirs.fileno())
            # Every copy of the other end is closed once each process has replied, or has closed its copy without a reply.
            return _read_line(ours, timeout)

    def _trusted(self) -> bool:
        return self._is_ours(self._folder.lstat())

    def _is_ours(self, about: os.stat_result) -> bool:
        """Return whether the folder is ours: any user may create one of its name, or a link, in the temporary folder."""
        return stat.S_ISDIR(about.st_mode) and about.st_uid == self._owner

    def send(self, address: str, data: bytes = b"!", fd: int | None = None) -> None:
        """Send a datagram to a listener. Never blocks, never raises."""
        with self._lock:
            try:
                if self._sender is None:
                    self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                    self._sender.setblocking(False)
                if fd is None:
                    self._sender.sendto(data, address)
                else:
                    brought = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [fd]))]
                    self._sender.sendmsg([data], brought, 0, address)
            except BlockingIOError:
                pass  # its buffer is full of notifications: it will wake anyway
            except (ConnectionRefusedError, FileNotFoundError):
                # The listener died without closing its socket.
                with contextlib.suppress(OSError):
                    self._listed = None
                    if stat.S_ISSOCK(os.lstat(address).st_mode):
                        self.unbind(Path(address))
            except (OSError, AttributeError):
                pass  # no Unix sockets here

    def bind(self) -> tuple[socket.socket, Path]:
        """Create the socket of a listener, and the folder if it does not exist."""
        for attempt in range(3):
            with contextlib.suppress(FileExistsError):
                self._folder.mkdir()
                self._folder.chmod(0o700)  # whatever the process's umask is
            if not self._trusted():
                raise PermissionError(self._folder)
            receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            address = self._folder / os.urandom(6).hex()
            try:
                receiver.bind(str(address))
            except OSError:
                receiver.close()
                if attempt == 2:
                    with contextlib.suppress(OSError):
                        self._folder.rmdir()  # of no use: its path is too long, for example
                    raise
                # The last listener may have removed the folder just now.
            else:
                return receiver, address
        raise AssertionError

    def unbind(self, address: Path) -> None:
        """Remove the socket of a listener, and the folder if it was the last."""
        with contextlib.suppress(OSError):
            address.unlink()
            self._folder.rmdir()  # succeeds for the last listener; the others still have their sockets in it

    @contextmanager
    def listen(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake`, on a thread of its own, at each notification."""
        listener = _Listener(self, wake)
        self._listeners.add(listener)
        thread = threading.Thread(target=listener.hear, name="jobdeck-notifier", daemon=True)
        listener.bind()
        thread.start()
        try:
            yield
        finally:
            listener.end()
            thread.join(timeout=1.0)
            self._listeners.discard(listener)
            listener.close()

    def handle(self, data: bytes, brought: list[tuple[int, int, bytes]]) -> None:
        """Pass the request to the handlers; close the socket if none of them replies."""
        fds = array("i")
        for _, _, each in brought:
            fds.frombytes(each[: len(each) - len(each) % fds.itemsize])
        sockets = [socket.socket(fileno=fd) for fd in fds]
        for unasked in sockets[1:]:
            unasked.close()
        reply, question = _Reply(sockets[0]), data[1:].decode("utf-8", "replace")
        if not self.answer(question, reply):
            sockets[0].close()

    def is_bound(self, address: Path, inode: int) -> bool:
        """Report whether the socket at the address is still the one with this inode."""
        try:
            return os.lstat(address).st_ino == inode
        except OSError:
            return False

    def close(self) -> None:
        """Close the sending socket."""
        with self._lock:
            if self._sender is not None:
                with contextlib.suppress(OSError):  # other code may have closed it
                    self._sender.close()
                self._sender = None


class _Listener:
    """One socket that receives notifications; replaced when it was deleted, as programs that clean the temporary folder do."""

    def __init__(self, notifier: SocketNotifier, wake: Callable[[], None]) -> None:
        self._notifier = notifier
        self._wake = wake
        self._ended = threading.Event()
        self._bound: tuple[socket.socket, Path, int] | None = None
        """The socket, its address, and the inode of that."""
        self._opened = 0
        """The inode of the open socket itself."""

    def bind(self) -> bool:
        """Bind a socket, unless it is bound; report whether it is a new one."""
        if self._bound is not None and self._notifier.is_bound(self._bound[1], self._bound[2]):
            return False
        self.close()
        try:
            receiver, address = self._notifier.bind()
            # Not the program's default timeout, which is meant for its own connections.
            receiver.setblocking(True)
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", _CHECK_INTERVAL, 0))
            self._bound = receiver, address, os.lstat(address).st_ino
            self._opened = os.fstat(receiver.fileno()).st_ino
        except (OSError, AttributeError):  # no Unix sockets here, or no folder for them: the slow poll remains
            return False
        return True

    def hear(self) -> None:
        """Pass notifications on until the end."""
        behind = 0
        while not self._ended.is_set():
            if self._bound is None:
                self._ended.wait(_CHECK_INTERVAL)
                self._rebind()
                continue
            receiver = self._bound[0]
            try:
                data, brought, _, _ = receiver.recvmsg(_QUESTION, _ROOM, _CLOSED | (_AT_ONCE if behind else 0))
            except OSError:  # the queue is empty, nothing arrived for a while, or other code has closed the socket
                if not behind:
                    self._rebind()
                behind = 0
                continue
            behind += 1
            if brought:
                self._notifier.handle(data, brought)
            # If the queue was full, a notification was dropped.
            if not self._ended.is_set() and (not brought or behind == _FULL):
                self._wake()

    def _rebind(self) -> None:
        self._drop_if_closed()
        if not self._ended.is_set() and self.bind():
            self._wake()  # whatever was missed meanwhile

    def _drop_if_closed(self) -> None:
        """Drop the socket if other code has closed it: its number may belong to another file by now."""
        if self._bound is not None and not self._is_open(self._bound[0]):
            self._bound[0].detach()
            self._bound = None

    def _is_open(self, receiver: socket.socket) -> bool:
        try:
            return os.fstat(receiver.fileno()).st_ino == self._opened
        except OSError:
            return False

    def end(self) -> None:
        """Stop listening."""
        self._ended.set()
        if self._bound is not None:
            receiver, address, _ = self._bound
            if self._is_open(receiver):
                with contextlib.suppress(OSError):
                    receiver.shutdown(socket.SHUT_RD)  # wakes the thread, which then sees that it has ended
            self._notifier.send(str(address))  # does so on other systems
            self._notifier.unbind(address)

    def close(self) -> None:
        """Close the socket."""
        self._drop_if_closed()
        if self._bound is not None:
            receiver, self._bound = self._bound[0], None
            with contextlib.suppress(OSError):
                receiver.close()


def _read_line(source: socket.socket, timeout: float) -> str | None:
    """Return the first line; `None` if the source ends before the line is complete. Raises `TimeoutError`."""
    received = bytearray()
    until = time.monotonic() + timeout
    while b"\n" not in received:
        source.settimeout(max(0.001, until - time.monotonic()))
        try:
            data = source.recv(1 << 16)
        except TimeoutError:
            raise
        except OSError:
            return None
        if not data:
            return None
        received += data
    return received.partition(b"\n")[0].decode("utf-8", "replace")
