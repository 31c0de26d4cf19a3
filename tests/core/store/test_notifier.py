"""The notifier of a database file keeps working whatever the program does to its process and to the temporary folder."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobdeck.store.notifier import SocketNotifier

pytestmark = pytest.mark.sqlite


@pytest.fixture
def notifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SocketNotifier]:
    with tempfile.TemporaryDirectory(prefix="jd") as folder:  # a socket's path must be short
        monkeypatch.setattr(tempfile, "tempdir", folder)
        opened = SocketNotifier(tmp_path / "jobs.db")
        yield opened
        opened.close()


@pytest.fixture
def default_timeout() -> Iterator[None]:
    socket.setdefaulttimeout(0.05)
    yield
    socket.setdefaulttimeout(None)


def arrives(notifier: SocketNotifier, rung: threading.Event, within: float) -> bool:
    """Notify until it arrives."""
    rung.clear()
    end = time.monotonic() + within
    while time.monotonic() < end:
        notifier.notify()
        if rung.wait(0.02):
            return True
    return False


def test_a_default_timeout_of_the_program_does_not_end_the_listener(notifier: SocketNotifier, default_timeout: None) -> None:
    rung = threading.Event()
    with notifier.listen(rung.set):
        time.sleep(0.15)  # longer than the timeout
        assert arrives(notifier, rung, 1)


def test_a_deleted_folder_of_the_sockets_is_made_again(notifier: SocketNotifier) -> None:
    rung = threading.Event()
    with notifier.listen(rung.set):
        assert arrives(notifier, rung, 1)
        shutil.rmtree(notifier.folder)
        assert arrives(notifier, rung, 5)
    assert not notifier.folder.exists()


def test_a_socket_closed_by_other_code_is_replaced(notifier: SocketNotifier) -> None:
    rung = threading.Event()
    with notifier.listen(rung.set):
        (address,) = notifier.folder.iterdir()
        inode = str(socket_inode(address))
        for fd in os.listdir("/proc/self/fd"):
            if open_socket(int(fd)) == inode:
                os.close(int(fd))
        assert arrives(notifier, rung, 5)


def test_a_descriptor_that_took_the_number_of_a_closed_socket_stays_open(notifier: SocketNotifier) -> None:
    mine, other = socket.socketpair()
    with notifier.listen(lambda: None):
        (address,) = notifier.folder.iterdir()
        inode = str(socket_inode(address))
        (number,) = [int(fd) for fd in os.listdir("/proc/self/fd") if open_socket(int(fd)) == inode]
        os.dup2(mine.fileno(), number)  # as a handler may that closes all descriptors and opens its own
    other.send(b"still open")
    assert os.read(number, 100) == b"still open"
    os.close(number)
    mine.close()
    other.close()


def socket_inode(address: Path) -> str | None:
    """Return the inode of the bound socket, from /proc/net/unix."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    return next((line.split()[6] for line in lines if line.endswith(f" {address}")), None)


def open_socket(fd: int) -> str | None:
    try:
        return os.readlink(f"/proc/self/fd/{fd}").removeprefix("socket:[").removesuffix("]")
    except OSError:
        return None


def test_the_folder_is_usable_whatever_the_umask(notifier: SocketNotifier) -> None:
    rung = threading.Event()
    before = os.umask(0o777)
    try:
        with notifier.listen(rung.set):
            assert notifier.folder.stat().st_mode & 0o777 == 0o700
            assert arrives(notifier, rung, 1)
    finally:
        os.umask(before)


def test_the_listener_ends_at_once(notifier: SocketNotifier) -> None:
    started = time.monotonic()
    for _ in range(10):
        with notifier.listen(lambda: None):
            pass
    assert time.monotonic() - started < 3
    assert not any(thread.name == "jobdeck-notifier" for thread in threading.enumerate())


def test_the_last_socket_of_a_killed_worker_takes_its_folder_with_it(notifier: SocketNotifier) -> None:
    receiver, address = notifier.bind()
    receiver.close()  # as the kernel does when its process is killed
    assert address.exists()
    notifier.notify()
    assert not notifier.folder.exists()
