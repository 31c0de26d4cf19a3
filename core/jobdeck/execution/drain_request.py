"""The request to drain a worker, sent from another process of its machine. JSON on one line, as the requests for a stack."""

from __future__ import annotations

import socket
from collections.abc import Callable

from ..json_functions import json
from ..model.errors import WorkerUnreachable

_TIMEOUT = 2.0
"""Seconds that the worker gets to reply."""
DRAINING = json.dumps("draining")
"""The reply."""
SendRequest = Callable[[str, float], str | None]
"""Sends a request to the workers of this machine and waits up to that many seconds; see `Notifier.request`."""


def encode_drain(worker: str) -> str:
    """Encode the request."""
    return json.dumps(["drain", worker])


def asks_to_drain(question: str, worker: str) -> bool:
    """Return whether a request asks this worker to drain."""
    return question == encode_drain(worker)


def request_drain(worker: str, host: str, send: SendRequest) -> None:
    """Ask a worker to drain, and wait for its reply.

    Raises:
        WorkerUnreachable: it is on another machine, or did not reply.
    """
    if host != socket.gethostname():
        raise WorkerUnreachable(worker, f"runs on {host}, and can be drained from there only")
    try:
        reply = send(encode_drain(worker), _TIMEOUT)
    except TimeoutError:
        raise WorkerUnreachable(worker, f"did not reply within {_TIMEOUT:g} s") from None
    if reply != DRAINING:
        raise WorkerUnreachable(worker, "did not reply; it may have exited, or belong to another user")
