"""Wakes workers by LISTEN and NOTIFY.

A NOTIFY inside a transaction would be delivered with the commit, but all transactions that notify commit one after the other
(PostgreSQL keeps their order by a lock on the whole cluster, held while the commit is written to the disk). So the
notification is sent after the commit, in a transaction that writes nothing. A notification that is lost with its process
loses no job: workers also poll now and then.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import psycopg
from psycopg.rows import TupleRow

from ... import fork
from ...model.errors import StoreError
from ..notifier import RequestHandler
from .connection import Connections
from .raw_connection import connect, drop_connection

_LISTEN = "DO $$ BEGIN EXECUTE format('LISTEN %I', 'jobdeck_' || 'jobdeck_meta'::regclass::oid); END $$"
_NOTIFY = "SELECT pg_notify('jobdeck_' || 'jobdeck_meta'::regclass::oid, '')"
_END, _RELISTEN = b"!", b"?"
_RETRY_AFTER = (0.1, 0.5, 2.0, 5.0)
"""Seconds between tries to reach an unreachable server."""


class PostgresNotifier:
    """The notifier of one queue. A table of it names the channel, so that queues in one database do not wake each other."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def notify(self) -> None:
        """Wake every listener, once this thread's open transaction is committed. Never raises."""
        self._connections.after_commit(self._notify)

    def _notify(self) -> None:
        with contextlib.suppress(Exception):
            self._connections.execute_raw(_NOTIFY)

    def serve(self, handler: RequestHandler) -> AbstractContextManager[None]:
        """Do nothing: a server passes no requests between the processes of a machine."""
        return nullcontext()

    def request(self, question: str, timeout: float) -> str | None:
        """Return `None`: a server passes no requests between the processes of a machine."""
        return None

    def close(self) -> None:
        """Do nothing: notifications go through the store's connections."""

    @contextmanager
    def listen(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake`, on a thread of its own, at each notification, and when an unreachable server is back."""
        ours, theirs = socket.socketpair()

        def relisten() -> None:
            with contextlib.suppress(OSError):
                ours.send(_RELISTEN)

        self._connections.identity.on_change.add(relisten)  # the channel has another name
        listener = _Listener(self._connections, wake, theirs)
        listener.connect()  # so that no notification from now on is missed
        thread = threading.Thread(target=listener.run, name="jobdeck-notifier", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._connections.identity.on_change.discard(relisten)
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
        fork.register(self)

    def after_fork(self) -> None:
        """Drop the parent's connection, in the child: it has no thread that listens."""
        if self._raw is not None:
            drop_connection(self._raw)
            self._raw = None

    def connect(self) -> bool:
        """Listen; return `False` if the server is unreachable."""
        try:
            raw = connect(self._connections.address)
        except (psycopg.Error, StoreError):
            return False
        try:
            raw.execute(_LISTEN)
        except psycopg.Error:  # the queue is missing
            raw.close()
            return False
        self._raw = raw
        return True

    def run(self) -> None:
        """Wait for notifications until stopped."""
        failures = 0
        while True:
            if self._raw is None:
                if self._stopped(_RETRY_AFTER[min(failures, len(_RETRY_AFTER) - 1)]):
                    return
                failures += 1
                if self.connect():
                    failures = 0
                    self._wake()  # notifications may have been missed
                continue
            try:
                if self._stopped(None):
                    self._raw.close()
                    return
                if self._raw is None:
                    continue
                self._raw.pgconn.consume_input()
                notified = False
                while self._raw.pgconn.notifies() is not None:
                    notified = True
            except (psycopg.Error, OSError, ValueError):
                self._raw.close()
                self._raw = None
                continue
            if notified:
                self._wake()

    def _stopped(self, timeout: float | None) -> bool:
        """Wait for the server, or for the timeout; return whether to stop. Close the connection if the queue was replaced."""
        sources: list[socket.socket | int] = [self._stop]
        if self._raw is not None:
            sources.append(self._raw.pgconn.socket)
        ready, _, _ = select.select(sources, [], [], timeout)
        if self._stop not in ready:
            return False
        message = self._stop.recv(100)
        if _END not in message and self._raw is not None:
            self._raw.close()
            self._raw = None
        return _END in message
