"""The server on its event loop, and its end: no client that was connected goes without an answer."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from typing import Any

import uvicorn

from .guard import RequestGuard, ServerState
from .listeners import refuse_new
from .protocol import Protocol

_LINGER = 0.5
"""Seconds for which a draining server still reads requests: a client may have sent one before it learns of it."""

_SETTLED = 0.05
"""Seconds after which the loop has accepted what was connected: what it still accepts when its server closes is dropped."""


class DrainingServer(uvicorn.Server):
    """The server library's server, which lets clients learn that it shuts down before it does."""

    def __init__(self, config: uvicorn.Config, state: ServerState, app: RequestGuard, started: threading.Event) -> None:
        super().__init__(config)
        self._state = state
        self._app = app
        self._on_started = started
        self._loop: asyncio.AbstractEventLoop | None = None

    def call(self, function: Any) -> None:
        """Call a function on the event loop, from another thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(function)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._on_started.set()

    def begin_draining(self) -> None:
        """Let clients learn that the server shuts down, from `readyz` and from the responses, before it stops to listen."""
        self._state.draining = True
        self._app.end_streams()
        assert self._loop is not None
        self._loop.call_later(_LINGER, self._stop_listening)

    def _stop_listening(self) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer the clients that the system has connected already, then close idle connections and wait for the others."""
        loop = asyncio.get_running_loop()
        # A copy keeps each listening socket open while the loop gives it up: the system resets what nobody has accepted.
        listeners = [listener.dup() for listener in sockets or ()]
        for listener in listeners:
            refuse_new(listener)
        await asyncio.sleep(_SETTLED)
        for listener in sockets or ():
            loop.remove_reader(listener)
        await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        accepted = [connection for listener in listeners for connection in _accept_last(listener)]

        def connect() -> asyncio.Protocol:
            return Protocol(self.config, self.server_state, self.lifespan.state)

        for connection in accepted:
            await loop.connect_accepted_socket(connect, connection)
        await asyncio.sleep(_LINGER / 2)
        await super().shutdown(sockets)


def _accept_last(listener: socket.socket) -> list[socket.socket]:
    """Close a listening socket, and return the connections that waited to be accepted. See `refuse_new`."""
    found = []
    listener.setblocking(False)
    accept = listener.accept
    try:
        while True:
            found.append(accept()[0])
    except OSError:
        listener.close()
    for connection in found:
        connection.setblocking(False)
    return found
