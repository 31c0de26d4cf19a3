"""Wakes workers by LISTEN and NOTIFY.

A NOTIFY inside a transaction would be delivered with the commit, but all transactions that notify commit one after the other
(PostgreSQL keeps their order by a lock on the whole cluster, held while the commit is written to the disk). So the
notification is sent after the commit, in a transaction that writes nothing, and nothing waits for its answer. A notification
that is lost with its process loses no job: workers also poll now and then.

A request is a notification on the same channel that names a channel for the reply, which the requester listens on. So it
reaches every worker of the queue, on any machine. A reply is cut into as many notifications as it needs: the server takes
less than 8,000 bytes in one.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import psycopg
from psycopg.rows import TupleRow

from ... import fork
from ...clock import time
from ...logs import get_logger
from ...model.errors import StoreError
from ..notifier import RequestHandlers
from .connection import Connections
from .pooler import is_pooled
from .raw_connection import connect, drop_connection

logger = get_logger("jobdeck.store")

_LISTEN = "DO $$ BEGIN EXECUTE format('LISTEN %I', 'jobdeck_' || 'jobdeck_meta'::regclass::oid); END $$"
_NOTIFY = b"SELECT pg_notify('jobdeck_' || 'jobdeck_meta'::regclass::oid, '')"
_SEND = "SELECT pg_notify('jobdeck_' || 'jobdeck_meta'::regclass::oid, $1)"
_REPLY = "SELECT pg_notify($1, part) FROM unnest($2::text[]) AS part"
_REQUEST = re.compile(r"[?](?P<reply_to>jobdeck_reply_[0-9a-f]{24}) (?P<question>.*)", re.DOTALL)
_PART = 7_900
"""Bytes of a reply in one notification. Before them is their number, since the server drops repeated notifications, and a `+`
if more follow."""
_END, _RELISTEN, _ANSWERED = b"!", b"?", b"."
_RETRY_AFTER = (0.1, 0.5, 2.0, 5.0)
"""Seconds between tries to reach an unreachable server."""


class PostgresNotifier(RequestHandlers):
    """The notifier of one queue. A table of it names the channel, so that queues in one database do not wake each other."""

    across_machines = True

    def __init__(self, connections: Connections) -> None:
        super().__init__()
        self._connections = connections
        fork.register(self)

    def notify(self) -> None:
        """Wake every listener, once this thread's open transaction is committed. Never raises."""
        self._connections.after_commit(self._notify)

    def _notify(self) -> None:
        with contextlib.suppress(Exception):
            self._connections.send(_NOTIFY)

    def request(self, question: str, timeout: float) -> str | None:
        """Send a request to every listener of the queue, and return the first reply; `None` without one in time.

        Inside an open transaction nothing would be sent before its end, so the result is `None` at once.
        """
        if self._connections.in_transaction() or is_pooled(self._connections.address.conninfo):
            return None
        reply_to = f"jobdeck_reply_{os.urandom(12).hex()}"
        with self._connections.idle_connection() as raw:
            received: deque[str] = deque()
            collect = partial(_collect, received)
            raw.add_notify_handler(collect)  # of those that arrive together with a statement's result
            try:
                raw.execute(cast("Any", f"LISTEN {reply_to}"), prepare=False)
                raw.execute(_SEND, (f"?{reply_to} {question}",), prepare=False)
                return _await_reply(raw, received, timeout)
            except psycopg.errors.ReadOnlySqlTransaction:  # a standby passes nothing on
                return None
            except (OSError, ValueError):  # another thread has closed the connection
                return None
            finally:
                raw.remove_notify_handler(collect)
                with contextlib.suppress(psycopg.Error):
                    raw.execute(cast("Any", f"UNLISTEN {reply_to}"), prepare=False)

    def handle(self, payload: str, reply: Callable[[str, str], None]) -> None:
        """Pass a request to the handlers. `reply` is called with the channel and the reply, now or later, on any thread."""
        found = _REQUEST.fullmatch(payload)
        if found is None:
            return  # of a newer version, or of another program
        self.answer(found["question"], partial(reply, found["reply_to"]))

    def close(self) -> None:
        """Do nothing: notifications go through the store's connections."""

    @contextmanager
    def listen(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake`, on a thread of its own, at each notification, and when an unreachable server is back.

        Never behind a pooler that shares sessions.
        """
        if is_pooled(self._connections.address.conninfo):  # nothing can listen: workers poll
            yield
            return
        ours, theirs = socket.socketpair()

        def relisten() -> None:
            with contextlib.suppress(OSError):
                ours.send(_RELISTEN)

        self._connections.identity.on_change.add(relisten)  # the channel has another name
        listener = _Listener(self, self._connections, wake, theirs, ours)
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
    def __init__(
        self,
        notifier: PostgresNotifier,
        connections: Connections,
        wake: Callable[[], None],
        stop: socket.socket,
        stopper: socket.socket,
    ) -> None:
        self._notifier = notifier
        self._connections = connections
        self._wake = wake
        self._stop = stop
        self._stopper = stopper
        self._received: deque[str] = deque()
        """The payloads of the notifications that are not handled yet."""
        self._replies: deque[tuple[str, str]] = deque()
        """The channel of each reply that is not sent yet, and the reply."""
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
        raw.add_notify_handler(partial(_collect, self._received))  # of those that arrive while a reply is sent
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
                if self._stopped(0 if self._received else None):
                    self._raw.close()
                    return
                if self._raw is None:
                    continue
                _read(self._raw, self._received)
                self._send_replies(self._raw)
            except (psycopg.Error, OSError, ValueError):
                self._raw.close()
                self._raw = None
                continue
            self._handle()

    def _handle(self) -> None:
        """Wake the worker, or pass requests on."""
        payloads = [*self._received]
        self._received.clear()
        if "" in payloads:
            self._wake()
        for payload in filter(None, payloads):
            self._notifier.handle(payload, self._reply)

    def _reply(self, to: str, answer: str) -> None:
        """Let the listener's thread send a reply. Called on any thread."""
        self._replies.append((to, answer))
        with contextlib.suppress(OSError):  # it has ended
            self._stopper.send(_ANSWERED)

    def _send_replies(self, raw: psycopg.Connection[TupleRow]) -> None:
        while self._replies:
            to, answer = self._replies.popleft()
            parts = [answer[at : at + _PART] for at in range(0, len(answer), _PART)] or [""]
            marked = [f"{'+' if n < len(parts) else ''}{n} {part}" for n, part in enumerate(parts, 1)]
            raw.execute(_REPLY, (to, marked), prepare=False)

    def _stopped(self, timeout: float | None) -> bool:
        """Wait for the server, or for the timeout; return whether to stop. Close the connection if the queue was replaced."""
        sources: list[socket.socket | int] = [self._stop]
        if self._raw is not None:
            sources.append(self._raw.pgconn.socket)
        ready, _, _ = select.select(sources, [], [], timeout)
        if self._stop not in ready:
            return False
        message = self._stop.recv(100)
        if _END in message:
            return True
        if _RELISTEN in message and self._raw is not None:
            self._raw.close()
            self._raw = None
        return False


def _collect(received: deque[str], notification: psycopg.Notify) -> None:
    received.append(notification.payload)


def _read(raw: psycopg.Connection[TupleRow], received: deque[str]) -> None:
    """Add the payloads of the notifications that have arrived."""
    raw.pgconn.consume_input()
    while (notification := raw.pgconn.notifies()) is not None:
        received.append(notification.extra.decode("utf-8", "replace"))


def _await_reply(raw: psycopg.Connection[TupleRow], received: deque[str], timeout: float) -> str | None:
    """Return the first complete reply; `None` without one within `timeout` seconds."""
    until = time.monotonic() + timeout
    reply = ""
    while True:
        while received:
            head, _, part = received.popleft().partition(" ")
            reply += part
            if not head.startswith("+"):
                return reply
        remaining = until - time.monotonic()
        if remaining <= 0 or not select.select([raw.pgconn.socket], [], [], remaining)[0]:
            return None
        _read(raw, received)
