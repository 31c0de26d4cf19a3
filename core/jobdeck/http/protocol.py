"""HTTP/1.1 on a connection, with limits that the server library does not have: on silent and on too many connections."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from .problems import problem

_HEADER_SECONDS = 10.0
"""Seconds within which the whole header of a request must arrive, from its first byte or from the connection on."""

_WRITE_SECONDS = 30.0
"""Seconds that a client may take to read what fills its connection."""
_LINGER = 1.0
"""Seconds for which a refused client may still send: it would not see the answer if the connection was reset."""


class Protocol(H11Protocol):
    """One connection."""

    max_connections = 800
    """Connections at once; more are refused, so that files are left for the database.

    A new connection takes the place of one that waits for its next request.
    """

    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the connection, or refuse it if there are too many."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._idle: dict[Protocol, None] = vars(self.server_state).setdefault("jobdeck_idle", {})
        if len(self.connections) > self.max_connections and not self._close_idle():
            self._refuse(503, "Too many connections", "Too many connections are open; try again.")
            return
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._disarm()
        self._forget_unread()
        self._idle.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read a request; what comes after a refusal is dropped."""
        self._idle.pop(self, None)
        if not self._refused:
            super().data_received(data)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None:
            self._idle[self] = None

    def pause_writing(self) -> None:
        """Wait until the client reads, but not for ever."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(_WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Write on."""
        super().resume_writing()
        self._forget_unread()

    def handle_events(self) -> None:
        """Read what arrived, and wait for the rest of a header only until the deadline."""
        super().handle_events()
        if self.conn.their_state is h11.IDLE:  # within a header, or between two requests
            if self.conn.trailing_data[0] and self._deadline is None:
                self._arm()
        else:
            self._disarm()

    def send_400_response(self, msg: str) -> None:
        """Report that what arrived is no HTTP request."""
        self._refuse(400, "Malformed request", "This is no valid HTTP request, or its header is too long.")

    def _close_idle(self) -> bool:
        """Close the connection that has waited longest for its next request; return whether there is one."""
        for each in self._idle:
            del self._idle[each]
            each.transport.close()
            return True
        return False

    def _forget_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _arm(self) -> None:
        self._deadline = self.loop.call_later(_HEADER_SECONDS, self._give_up)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        self._refuse(408, "Request timeout", f"The header of the request did not arrive within {_HEADER_SECONDS:g} s.")

    def _refuse(self, status: int, title: str, detail: str) -> None:
        if self.transport.is_closing() or self._refused:
            return
        response = problem(status, title, detail, headers={"Connection": "close", "Retry-After": "5"})
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            events: tuple[Any, ...] = (
                h11.Response(status_code=status, headers=response.raw_headers),
                h11.Data(data=bytes(response.body)),
                h11.EndOfMessage(),
            )
            for event in events:
                self.transport.write(self.conn.send(event) or b"")
        self._disarm()
        self._refused = True
        if self.transport.can_write_eof():
            with suppress(OSError):  # the client has read the answer, and is not there any more
                self.transport.write_eof()
        self.loop.call_later(_LINGER, self.transport.close)
