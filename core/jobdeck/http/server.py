"""The server: a thread with an event loop that serves the API until it is drained."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ..logs import get_logger
from ..model.errors import InvalidOption
from ..queue import Queue
from .access import LOOPBACK_NAMES, AccessPolicy, is_loopback
from .tokens import TokenFile, default_token_file

if TYPE_CHECKING:
    from .draining_server import DrainingServer

logger = get_logger("jobdeck.http")

_FILES_LEFT = 300
"""Files that connections must leave for the database and the jobs."""


class HttpServer:
    """Serves the API of a queue on a port or a Unix socket, on a thread of its own.

    Example:
        >>> with Queue("jobs.db") as queue, HttpServer(queue, port=0) as server:
        ...     print(server.url)
    """

    def __init__(
        self,
        queue: Queue,
        *,
        host: str = "127.0.0.1",
        port: int = 8765,
        uds: str | Path | None = None,
        tokens: TokenFile | None = None,
        allowed_hosts: Sequence[str] = (),
        readonly: bool = False,
    ) -> None:
        """Bind the socket; `start` serves.

        Args:
            queue: the queue, which the caller closes after `stop`.
            host: the address to bind. Without a token only loopback addresses are allowed.
            port: the port; 0 picks a free one.
            uds: the path of a Unix socket instead, which only this user can connect to.
            tokens: the tokens; those of `default_token_file` if `None`.
            allowed_hosts: further names by which clients may call the server, such as that of a proxy.
            readonly: refuse all changes.

        Raises:
            ImportError: the extra `http` is not installed.
            InvalidOption: the address cannot be bound, or may not be without a token.
            TokenFileRefused: the token file cannot be used.
        """
        from .app import create_app  # imported late: the framework is an extra
        from .guard import ServerState

        tokens = TokenFile(default_token_file()) if tokens is None else tokens
        protected = bool(tokens.tokens())
        if uds is None and not protected and not is_loopback(host):
            raise InvalidOption(
                "host",
                f"{host} can be reached by other machines, which could enqueue and cancel jobs without a token;"
                " add one with `jobdeck token add NAME`, or bind 127.0.0.1",
            )
        self._uds = None if uds is None else Path(uds)
        self._socket = _bind(host, port) if self._uds is None else _bind_unix(self._uds)
        hosts = None if self._uds is not None else (*LOOPBACK_NAMES, host, *allowed_hosts)
        self._state = ServerState()
        policy = AccessPolicy(tokens, must_authenticate=protected, hosts=hosts, readonly=readonly)
        self._app = create_app(queue, policy, self._state)
        self._server: DrainingServer | None = None
        self._thread = threading.Thread(target=self._run, name="jobdeck-http")
        self._started = threading.Event()
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(5.0)

    @property
    def url(self) -> str:
        """The address of the server; that of its Unix socket as a path."""
        if self._uds is not None:
            return str(self._uds)
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def start(self) -> None:
        """Serve, on a thread; return once requests are answered."""
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure

    def wait(self) -> bool:
        """Wait until it has stopped, and return whether it was asked to."""
        self._thread.join()
        return self._state.draining

    @property
    def waiting(self) -> int:
        """The number of open streams and long polls."""
        return self._app.open_streams

    @property
    def failed(self) -> bool:
        """Return whether it has stopped because of an error; the log has it."""
        return self._failure is not None

    def drain(self) -> None:
        """End streams, ask clients to close their connections, and report that the server is not ready. Returns immediately."""
        if self._server is not None and not self._state.draining:
            self._server.call(self._server.begin_draining)

    def stop(self, grace: float) -> bool:
        """Drain, answer the requests that have arrived, and stop; return whether that took less than `grace` seconds."""
        self.drain()
        if self._server is not None:
            self._server.config.timeout_graceful_shutdown = max(1, int(grace))
        self._thread.join(grace + 1 if self._thread.ident is not None else 0)
        if self._uds is not None:
            with suppress(OSError):
                self._uds.unlink()
        return not self._thread.is_alive()

    def _run(self) -> None:
        import uvicorn

        from .draining_server import DrainingServer
        from .protocol import Protocol

        try:
            Protocol.max_connections = _connections_allowed()
            config = uvicorn.Config(
                self._app,
                http=Protocol,
                ws="none",
                loop="asyncio",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=75,
                h11_max_incomplete_event_size=32 * 1024,
            )
            self._server = DrainingServer(config, self._state, self._app, self._started)
            self._server.run([self._socket])
        except BaseException as error:
            logger.exception("The HTTP server failed")
            self._failure = error
        finally:
            self._started.set()
            self._socket.close()


def _connections_allowed() -> int:
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 10_000 if limit == resource.RLIM_INFINITY else max(50, min(10_000, limit - _FILES_LEFT))


def _bind(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(2048)
            bound.setblocking(False)
        except OSError:
            bound.close()
            raise
    except OSError as problem:
        name = f"{host} and the port {port}"
        raise InvalidOption("address", f"{name} cannot be bound: {problem.strerror or problem}; choose others") from None
    return bound


def _bind_unix(path: Path) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
            _refuse_served(path)
            path.unlink()  # of a server that was killed
        before = os.umask(0o177)
        try:
            bound.bind(str(path))
        finally:
            os.umask(before)
        bound.listen(2048)
        bound.setblocking(False)
    except OSError as problem:
        bound.close()
        raise InvalidOption("socket", f"{path} cannot be bound: {problem.strerror or problem}; choose another path") from None
    return bound


def _refuse_served(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise InvalidOption("socket", f"{path} is used by another process; choose another path")
