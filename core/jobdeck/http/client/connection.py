"""Sends requests to a server, on one connection a thread that is kept open."""

from __future__ import annotations

import http.client
import os
import socket
import threading
import zlib
from typing import NoReturn
from urllib.parse import urlsplit

from ...clock import time
from ...model.errors import InvalidOption, StoreFailed, StoreUnreachable
from ...model.record_class import record

CONNECT_TIMEOUT = 10.0
"""Seconds within which the server must accept a connection."""
READ_TIMEOUT = 90.0
"""Seconds within which it must answer: longer than its store waits for another program's lock."""
CHANGE_TIMEOUT = 3600.0
"""The same for changes: an undo of a million jobs takes minutes."""
_FRESH = 30.0
"""Seconds of rest after which a connection is not used for a change, since the server or a proxy may have closed it."""


@record
class Answer:
    """The server's answer."""

    status: int
    media_type: str
    body: bytes
    location: str | None = None


class ServerConnections:
    """The connections of a client to its server. Use it from any thread."""

    def __init__(self, address: str, token: str) -> None:
        """Prepare the connections; the first request opens one.

        Args:
            address: `http://host:port` or `https://host/path`.
            token: sent with every request; none if empty.

        Raises:
            InvalidOption: the token has characters that no token has.
        """
        if token and not (token.isascii() and token.isprintable() and " " not in token):
            raise InvalidOption("token", "must be what `jobdeck token add` printed: letters, digits, - and _")
        parts = urlsplit(address)
        self._address = address
        self._secure = parts.scheme == "https"
        self._host, self._port, self._path = parts.hostname or "", parts.port, parts.path
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip", "User-Agent": "jobdeck"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: set[http.client.HTTPConnection] = set()

    def post(self, path: str, body: bytes, *, changes: bool) -> Answer:
        """Send a request and return the answer.

        A request that only reads is sent again if a kept connection has broken; one that changes is not, because it may have
        arrived.

        Raises:
            StoreUnreachable: the server cannot be reached.
            StoreFailed: the connection broke before the answer to a change.
        """
        connection = self._kept(changes=changes)
        if connection is not None:
            try:
                return self._exchange(connection, path, body, changes=changes)
            except (OSError, http.client.HTTPException) as error:
                self._drop(connection)
                if changes:
                    self._fail(error, changes=True)
        connection = self._connect()
        try:
            return self._exchange(connection, path, body, changes=changes)
        except (OSError, http.client.HTTPException) as error:
            self._drop(connection)
            self._fail(error, changes=changes)

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for connection in self._open:
                connection.close()
            self._open.clear()

    def _kept(self, *, changes: bool) -> http.client.HTTPConnection | None:
        """Return this thread's connection if it may still be open; a forked process has none."""
        if getattr(self._local, "process", None) != os.getpid():
            return None
        connection: http.client.HTTPConnection = self._local.connection
        if connection.sock is None:
            return None
        if changes and time.monotonic() - self._local.used_at > _FRESH:
            self._drop(connection)
            return None
        return connection

    def _connect(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=CONNECT_TIMEOUT)
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            self._fail(error, changes=False)
        self._local.connection, self._local.process = connection, os.getpid()
        with self._lock:
            self._open.add(connection)
        return connection

    def _exchange(self, connection: http.client.HTTPConnection, path: str, body: bytes, *, changes: bool) -> Answer:
        if connection.sock is not None:
            connection.sock.settimeout(CHANGE_TIMEOUT if changes else READ_TIMEOUT)
        connection.request("POST", self._path + path, body, self._headers)
        response = connection.getresponse()
        text = response.read()
        if response.getheader("Content-Encoding") == "gzip":
            text = _unpacked(text)
        self._local.used_at = time.monotonic()
        media_type = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
        return Answer(response.status, media_type, text, response.getheader("Location"))

    def _drop(self, connection: http.client.HTTPConnection) -> None:
        connection.close()
        with self._lock:
            self._open.discard(connection)

    def _fail(self, error: Exception, *, changes: bool) -> NoReturn:
        problem = _problem_of(error, secure=self._secure)
        if changes and not isinstance(error, http.client.HTTPException | TimeoutError | ConnectionError):
            changes = False
        if changes:
            what = "the connection to its server broke before the answer, so what was asked for may have been done; check that"
            raise StoreFailed(self._address, what) from None
        raise StoreUnreachable(self._address, problem) from None


def _unpacked(text: bytes) -> bytes:
    try:
        return zlib.decompress(text, wbits=31)
    except zlib.error:
        raise http.client.HTTPException from None


def _problem_of(error: Exception, *, secure: bool) -> str:
    """Return why a request failed, and what to do."""
    serves = "check the address, and that `jobdeck serve` runs there"
    if isinstance(error, socket.gaierror):
        return "no machine of this name is known; check the address"
    if isinstance(error, TimeoutError):
        return f"it does not answer; {serves}"
    if isinstance(error, ConnectionRefusedError):
        return f"connection refused; {serves}"
    if secure and type(error).__name__ == "SSLCertVerificationError":
        return "its certificate is not trusted; SSL_CERT_FILE can name the file of its authority"
    if secure and type(error).__module__ == "ssl":
        return "it does not speak TLS; write http:// if it is on this machine or in a network that you trust"
    if isinstance(error, http.client.HTTPException) and not isinstance(error, ConnectionError):
        return "what it answers is not HTTP; check the address"
    reason = getattr(error, "strerror", None) or "the connection broke"
    return f"{reason[:1].lower()}{reason[1:]}; {serves}"
