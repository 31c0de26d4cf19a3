"""Wake-up by LISTEN and NOTIFY.

A NOTIFY inside a transaction would be told with the commit, but all transactions that notify commit one after the other
(PostgreSQL keeps their order by a lock on the whole cluster, held while the commit is written to the disk). So the bell is
rung after the commit, in a transaction that writes nothing. A ring that is lost with its process costs no job: workers also
look by themselves now and then.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg.rows import TupleRow

from .connection import Connections
from .raw_connection import open_raw

_LISTEN = "DO $$ BEGIN EXECUTE format('LISTEN %I', 'jobdeck_' || 'jobdeck_meta'::regclass::oid); END $$"
_RING = "SELECT pg_notify('jobdeck_' || 'jobdeck_meta'::regclass::oid, '')"
_END, _ANEW = b"!", b"?"
_AGAIN = (0.1, 0.5, 2.0, 5.0)
"""Seconds between tries to reach a server that has gone."""


class Bell:
    """The bell of one queue. The channel is named by a table of it, so that queues in one database do not wake each other."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def ring(self) -> None:
        """Wake every listener, when this thread's transaction is committed. Never raises."""
        self._connections.after_commit(self._ring)

    def _ring(self) -> None:
        with contextlib.suppress(Exception):
            self._connections.say(_RING)

    @contextmanager
    def listen(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake`, on a thread of its own, each time the bell rings, and when the server is back after it was gone."""
        ours, theirs = socket.socketpair()

        def listen_anew() -> None:
            with contextlib.suppress(OSError):
                ours.send(_ANEW)

        self._connections.place.moved.add(listen_anew)  # the channel is another one
        listener = _Listener(self._connections, wake, theirs)
        listener.connect()  # so that a ring that comes from now on is heard
        thread = threading.Thread(target=listener.hear, name="jobdeck-bell", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._connections.place.moved.discard(listen_anew)
            ours.send(_END)
            thread.join(timeout=5.0)
            ours.close()
            theirs.close()


class _Listener:
    def __init__(self, connections: Connections, wake: Callable[[], None], stop: socket.socket) -> None:
        self._connections = connections
        self._wake = wake
        self._stop = stop
        self._raw: psycopg.Connection[TupleRow] | None = None

    def connect(self) -> bool:
        """Listen; `False` if the server cannot be reached."""
        try:
            raw = open_raw(self._connections.address)
        except psycopg.Error:
            return False
        try:
            raw.execute(_LISTEN)
        except psycopg.Error:  # there is no queue any more
            raw.close()
            return False
        self._raw = raw
        return True

    def hear(self) -> None:
        """Until told to stop."""
        failures = 0
        while True:
            if self._raw is None:
                if self._stopped(_AGAIN[min(failures, len(_AGAIN) - 1)]):
                    return
                failures += 1
                if self.connect():
                    failures = 0
                    self._wake()  # what was rung meanwhile was not heard
                continue
            try:
                if self._stopped(None):
                    self._raw.close()
                    return
                if self._raw is None:
                    continue
                self._raw.pgconn.consume_input()
                heard = False
                while self._raw.pgconn.notifies() is not None:
                    heard = True
            except (psycopg.Error, OSError, ValueError):
                self._raw.close()
                self._raw = None
                continue
            if heard:
                self._wake()

    def _stopped(self, timeout: float | None) -> bool:
        """Wait for the server's word, or so long; whether it is over. Lets go of a connection to a queue that has gone."""
        ears: list[socket.socket | int] = [self._stop]
        if self._raw is not None:
            ears.append(self._raw.pgconn.socket)
        ready, _, _ = select.select(ears, [], [], timeout)
        if self._stop not in ready:
            return False
        said = self._stop.recv(100)
        if _END not in said and self._raw is not None:
            self._raw.close()
            self._raw = None
        return _END in said
