"""A served queue for the tests of the HTTP API, its kinds, its tokens and its clients."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from jobdeck import HttpServer, Queue, Registry, Settings, TokenFile, add_shell, context, job

SETTINGS = Settings(synchronous="OFF", shutdown_grace=5.0)
REGISTRY = Registry()
add_shell(REGISTRY)


@job(name="mail.send", queue="mail", registry=REGISTRY)
def send(to: str, count: int = 1, inner: dict[str, list[int]] | None = None) -> dict[str, object]:
    """Send a mail."""
    context().log.info("to %s", to)
    return {"to": to, "count": count}


@job(name="work.fail", max_attempts=1, registry=REGISTRY)
def fail(text: str = "no") -> None:
    raise ValueError(text)


@job(name="work.nap", registry=REGISTRY)
def nap(seconds: float) -> None:
    context().sleep(seconds)


@job(name="work.talk", registry=REGISTRY)
def talk(lines: int) -> None:
    for number in range(lines):
        context().log.info("line %d", number)


@dataclass
class Api:
    """A running server with its queue, and clients of it with one token each."""

    queue: Queue
    server: HttpServer
    tokens: TokenFile
    clients: dict[str, httpx.Client] = field(default_factory=dict)

    def client(self, scopes: str = "read,enqueue,operate,shell") -> httpx.Client:
        """Return a client with a token of these scopes; without a token for an empty text."""
        if scopes not in self.clients:
            name = scopes.replace(",", "-") or "none"
            headers = {"Authorization": f"Bearer {self.tokens.add(name, scopes.split(','))}"} if scopes else {}
            self.clients[scopes] = httpx.Client(base_url=self.server.url, headers=headers, timeout=20, verify=False)
        return self.clients[scopes]

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request with all scopes to a resource of the API."""
        return self.client().request(method, f"/api/v1{path}", **options)

    def enqueue(self, kind: str = "mail.send", args: dict[str, Any] | None = None, **options: Any) -> int:
        """Enqueue a job without the API, and return its id."""
        given = {"to": "ann"} if args is None and kind == "mail.send" else args or {}
        return self.queue.enqueue(kind, given, **options).id


@contextmanager
def served(folder: Path, address: str | None = None, *, protected: bool = True, **options: Any) -> Iterator[Api]:
    """Serve a new queue in a folder, or the one at an address; callers need a token if it is protected."""
    tokens = TokenFile(folder / "tokens.json")
    with Queue(address or folder / "jobs.db", registry=REGISTRY, settings=SETTINGS) as queue:
        server = HttpServer(queue, port=0, tokens=tokens, **options)
        with server:
            api = Api(queue, server, tokens)
            if protected:
                api.client()  # makes the first token
            try:
                yield api
            finally:
                for client in api.clients.values():
                    client.close()


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """Return the problem document of a response that must have this status."""
    assert response.status_code == status, f"{response.status_code} {response.text}"
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert document["type"].startswith("urn:jobdeck:problem:")
    assert document["title"]
    assert document["detail"].endswith(".")
    return document


@dataclass
class ServerSentEvent:
    """One event of a stream."""

    id: str | None = None
    name: str = ""
    data: Any = None


def read_events(lines: Iterator[str]) -> Iterator[ServerSentEvent]:
    """Yield the events of a stream."""
    event = ServerSentEvent()
    for line in lines:
        if not line:
            if event.name:
                yield event
            event = ServerSentEvent()
        elif line.startswith("id: "):
            event.id = line[4:]
        elif line.startswith("event: "):
            event.name = line[7:]
        elif line.startswith("data: "):
            event.data = json.loads(line[6:])


def eventually(holds: Callable[[], object], *, within: float = 20.0) -> None:
    """Wait until the condition holds; fail if it does not in time."""
    until = time.monotonic() + within
    while not holds():
        assert time.monotonic() < until, "the condition did not hold in time"
        time.sleep(0.01)
