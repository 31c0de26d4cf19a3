"""Answers the probes of service managers and containers over HTTP, for a worker without the HTTP API."""

from __future__ import annotations

import ipaddress
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from .. import fork
from ..clock import time
from ..json_functions import json
from ..logs import get_logger
from ..model.errors import InvalidOption, JobdeckError
from ..queue import Queue
from .health import WorkerHealth
from .worker import Worker

logger = get_logger("jobdeck.worker")

_REQUESTS = 16
"""Requests that are answered at once; more are not accepted until one of them has ended."""
_SLOWEST = 5.0
"""Seconds within which each part of a request must arrive."""
_PAUSE = 0.1
"""Seconds until the next connection is accepted if one could not be."""
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class HealthServer:
    """Serves `/healthz`, `/readyz` and `/health` of a worker, on threads of its own.

    `/healthz` answers 503 if the worker hangs and only a restart helps, `/readyz` also if it shuts down, makes no progress or
    cannot use its database. `/health` says of the whole queue what `jobdeck health --json` says, on this machine only, because
    it names queues and workers.
    """

    def __init__(self, queue: Queue, worker: Worker, port: int, *, host: str = "127.0.0.1") -> None:
        """Bind the port; `start` serves.

        Args:
            queue: the queue, which the caller closes after `stop`.
            worker: the worker.
            port: the port; 0 picks a free one.
            host: the address to bind.

        Raises:
            InvalidOption: the address cannot be bound.
        """
        self._health = WorkerHealth(queue, worker)
        try:
            self._server = _Server(host, port, self._health)
        except OSError as error:
            name = f"{host} and the port {port}"
            raise InvalidOption("health address", f"{name} cannot be bound: {error.strerror or error}; choose others") from None
        self._thread = threading.Thread(target=self._server.accept_all, name="jobdeck-health-http", daemon=True)
        fork.register(self)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address of the server."""
        host, port = self._server.server_address[:2]
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    def start(self) -> None:
        """Serve, on a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving, and free the port."""
        self._server.close()
        self._health.close()

    def after_fork(self) -> None:
        """Free the port in a forked child: it would keep the next worker from binding it."""
        with suppress(OSError):
            self._server.socket.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, health: WorkerHealth) -> None:
        self.health = health
        self._free = threading.Semaphore(_REQUESTS)
        self._closed = False
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind without looking up the name of the address, which may take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def accept_all(self) -> None:
        """Accept connections until the server is closed. Waits in the kernel, without waking up now and then."""
        while not self._closed:
            self._free.acquire()
            try:
                request, address = self.socket.accept()
            except OSError:  # closed, or out of descriptors
                self._free.release()
                if not self._closed:
                    time.sleep(_PAUSE)
                continue
            try:
                self.process_request(request, address)
            except RuntimeError:  # no thread can be started
                self._free.release()
                self.shutdown_request(request)

    def close(self) -> None:
        """Close the socket; the thread that waits for connections ends."""
        self._closed = True
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("A probe of %s was not answered", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    timeout = _SLOWEST
    server_version = "jobdeck"
    sys_version = ""
    error_message_format = "%(message)s\n"
    error_content_type = "text/plain; charset=utf-8"

    def do_GET(self) -> None:
        """Answer a probe."""
        assert isinstance(self.server, _Server)
        health = self.server.health
        match self.path.partition("?")[0]:
            case "/healthz":
                self._answer(health.hang())
            case "/readyz":
                self._answer(health.hang() or health.unready())
            case "/health":
                self._answer_health(health)
            case _:
                self._send(404, "This worker has /healthz, /readyz and /health.\n")

    def do_HEAD(self) -> None:
        """Answer a probe without the text."""
        self.do_GET()

    def _answer(self, problem: str | None) -> None:
        self._send(200, "ok\n") if problem is None else self._send(503, f"{problem}\n")

    def _answer_health(self, health: WorkerHealth) -> None:
        if not self._is_local():
            self._send(403, "The health of the queue is told on this machine only; see `jobdeck serve`.\n")
            return
        try:
            document = health.document()
        except TimeoutError:
            self._send(503, "The database does not answer.\n")
        except JobdeckError:
            self._send(503, "The database cannot be used.\n")
        else:
            self._send(200 if document["healthy"] else 503, json.dumps(document) + "\n", "application/json")

    def _is_local(self) -> bool:
        """Return whether a program of this machine asks: not another machine, and not a page that rebound its name."""
        host = self.headers.get("host", "").rpartition("]")[0].lstrip("[") or self.headers.get("host", "").partition(":")[0]
        address = ipaddress.ip_address(str(self.client_address[0]))
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return (mapped or address).is_loopback and host.lower() in _LOOPBACK_NAMES

    def _send(self, status: int, text: str, media_type: str = "text/plain; charset=utf-8") -> None:
        body = text.encode("utf-8", "backslashreplace")
        self.send_response(status)
        for name, value in (
            ("Content-Type", media_type),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: probes come every few seconds."""
