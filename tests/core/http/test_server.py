"""The server on its socket: what is no HTTP, what is slow, what is too much, a store that fails, and the end."""

from __future__ import annotations

import contextlib
import errno
import json
import re
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.core.http.api import Api, eventually, problem, served

from jobdeck import HttpServer, InvalidOption, Queue, StoreBusy, TokenFile
from jobdeck.http import guard, protocol


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with served(tmp_path_factory.mktemp("server"), protected=False) as api:
        yield api


def connect(api: Api) -> socket.socket:
    host, _, port = api.server.url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def send(api: Api, data: bytes) -> tuple[int, bytes]:
    """Send bytes, and return the status and the body of the answer."""
    with connect(api) as connection:
        connection.sendall(data)
        answer = b""
        while part := connection.recv(65536):
            answer += part
            head, _, body = answer.partition(b"\r\n\r\n")
            if b"connection: close" not in head.lower():
                break
    return int(answer.split(b" ", 2)[1]), body


def test_an_answer_on_a_kept_connection_does_not_wait_for_a_packet_of_the_client(api: Api) -> None:
    took = []
    for _ in range(10):
        started = time.perf_counter()
        api.client("").get("/healthz")
        took.append(time.perf_counter() - started)
    assert min(took) < 0.03  # a delayed acknowledgement comes after 40 ms


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 600_000 + b"\r\n\r\n",
        b"GET /\r\nX: y HTTP/1.1\r\n\r\n",
        b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    ],
    ids=["tls", "no version", "blank in a name", "long", "line break", "negative length", "two lengths"],
)
def test_what_is_no_request_is_answered_with_a_problem(api: Api, data: bytes) -> None:
    status, body = send(api, data)
    assert status == 400
    assert json.loads(body)["type"] == "urn:jobdeck:problem:malformed-request"


def test_a_header_that_does_not_end_is_answered_in_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_HEADER_SECONDS", 0.1)
    assert send(api, b"GET / HTTP/1.1\r\nHost: local")[0] == 408
    assert send(api, b"")[0] == 408


def test_a_refused_client_that_leaves_at_once_is_no_error(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def left(*_: object) -> None:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    monkeypatch.setattr(protocol, "_LINGER", 0.05)
    monkeypatch.setattr(protocol, "_HEADER_SECONDS", 0.1)
    monkeypatch.setattr("asyncio.selector_events._SelectorSocketTransport.write_eof", left)
    with connect(api) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: local")
        while connection.recv(65536):
            pass  # until the server closes the connection
    assert "Traceback" not in caplog.text


def test_a_body_that_does_not_end_is_answered_in_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_BODY_SECONDS", 0.1)
    monkeypatch.setattr(guard, "_DISCARD_SECONDS", 0.1)
    head = b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    assert send(api, head)[0] == 408


HEAD = b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def test_a_body_that_arrives_byte_by_byte_is_given_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_BODY_SECONDS", 0.3)
    monkeypatch.setattr(guard, "_DISCARD_SECONDS", 0.1)
    with connect(api) as connection:
        connection.sendall(HEAD % 1000)
        connection.settimeout(0.02)
        for _ in range(200):
            connection.sendall(b" ")
            with contextlib.suppress(TimeoutError):
                assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
                return
    pytest.fail("the server waits for ever")


def test_a_large_body_that_keeps_arriving_may_take_longer(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_BODY_SECONDS", 0.2)
    monkeypatch.setattr(guard, "_BYTES_PER_SECOND", 1000)
    with connect(api) as connection:
        connection.sendall(HEAD % 4000)
        for _ in range(4):
            connection.sendall(b"[" * 1000)
            time.sleep(0.1)
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_clients_that_are_waited_for_take_no_place_from_others(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_REQUESTS", 3)
    crowd = [connect(api) for _ in range(6)]
    for each in crowd:
        each.sendall(HEAD % 100 + b"{")
    client = api.client("")
    eventually(lambda: api.server.connections >= 6)
    assert client.get("/api/v1/jobs").status_code == 200
    for each in crowd:
        each.close()


def test_a_body_that_does_not_fit_beside_the_others_is_asked_to_come_back(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_ALL_BODIES_BYTES", 1000)
    monkeypatch.setattr(guard, "_DISCARD_SECONDS", 0.1)
    with connect(api) as first:
        first.sendall(HEAD % 900 + b" " * 800)
        answers: list[bytes] = []

        def refused() -> bool:
            with connect(api) as second:
                second.sendall(HEAD % 900 + b" " * 300)
                second.settimeout(0.5)
                with contextlib.suppress(TimeoutError):
                    answers.append(second.recv(1000))
            return bool(answers)

        eventually(refused)
        assert answers[0].startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in answers[0].lower()
        # One that arrives at once holds nothing for long.
        assert api.client("").post("/api/v1/jobs", json={"kind": "mail.send", "args": {"to": "a"}}).status_code == 201


def test_a_client_that_does_not_read_is_disconnected(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_WRITE_SECONDS", 0.1)
    api.queue.enqueue_bulk("mail.send", [{"to": "a" * 60_000}] * 100)
    before = api.server.connections
    with connect(api) as connection:
        eventually(lambda: api.server.connections == before + 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /api/v1/jobs?limit=100 HTTP/1.1\r\nHost: localhost\r\n\r\n" * 4)
        eventually(lambda: api.server.connections == before)


def test_a_connection_that_waits_for_its_next_request_makes_room_for_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with served(tmp_path, protected=False) as api:
        monkeypatch.setattr(protocol.Protocol, "max_connections", 4)
        idle = [connect(api) for _ in range(4)]
        for each in idle:
            each.sendall(request)
            assert received(each).startswith(b"HTTP/1.1 200 ")
        assert [httpx.get(f"{api.server.url}/healthz", verify=False).status_code for _ in range(3)] == [200] * 3
        assert idle[0].recv(100) == b""  # the one that has waited longest
        idle[3].sendall(request)
        assert received(idle[3]).startswith(b"HTTP/1.1 200 ")
        for each in idle:
            each.close()


def received(connection: socket.socket) -> bytes:
    """Read the answer of `/healthz`."""
    answer = b""
    while not answer.endswith(b"ok\n"):
        answer += connection.recv(1000)
    return answer


def test_too_many_connections_are_refused_and_others_are_served(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol.Protocol, "max_connections", 4)
    crowd = [connect(api) for _ in range(4)]
    eventually(lambda: httpx.get(f"{api.server.url}/healthz", verify=False).status_code == 503)
    for each in crowd[:2]:
        each.close()
    eventually(lambda: httpx.get(f"{api.server.url}/healthz", verify=False).status_code == 200)
    for each in crowd[2:]:
        each.close()


def test_too_many_requests_are_asked_to_come_back(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_REQUESTS", 0)
    response = api.client("").get("/api/v1/jobs")
    assert problem(response, 429)
    assert response.headers["retry-after"] == "1"


def test_a_busy_store_is_a_503_and_does_not_stop_the_loop(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def blocked(*_: object, **__: object) -> None:
        assert release.wait(20)
        raise StoreBusy(str(api.queue.where), 5.0)

    monkeypatch.setattr(api.queue, "count_states", blocked)
    answers: list[httpx.Response] = []
    client = api.client("")
    threads = [threading.Thread(target=lambda: answers.append(client.get("/api/v1/stats"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    assert httpx.get(f"{api.server.url}/healthz", verify=False).text == "ok\n"
    release.set()
    for thread in threads:
        thread.join()
    for answer in answers:
        assert "jobs.db" not in json.dumps(problem(answer, 503))
        assert answer.headers["retry-after"] == "1"


def test_an_unexpected_error_says_nothing_of_itself(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("/srv/secret")

    monkeypatch.setattr(api.queue.workers, "list", broken)
    response = api.client("").get("/api/v1/workers")
    assert "secret" not in json.dumps(problem(response, 500))
    eventually(lambda: "RuntimeError: /srv/secret" in caplog.text)  # it is logged after the answer


def test_a_server_without_tokens_runs_no_commands(api: Api) -> None:
    none = api.client("")
    assert none.post("/api/v1/jobs", json={"kind": "mail.send", "args": {"to": "x"}}).status_code == 201
    shell = {"kind": "shell", "args": {"command": ["true"]}}
    assert problem(none.post("/api/v1/jobs", json=shell), 403)["scope"] == "shell"
    assert none.post("/api/v1/queues/default/pause").status_code == 200
    assert api.queue.journal.entries(limit=1)[0].actor == "http"


def test_a_readonly_server_changes_nothing(tmp_path: Path) -> None:
    with served(tmp_path, protected=False, readonly=True) as api:
        assert api.client("").get("/api/v1/jobs").status_code == 200
        assert problem(api.client("").post("/api/v1/undo"), 403)["title"] == "Read-only"


def test_a_unix_socket_is_private_and_replaced_if_it_is_stale(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stale:
        stale.bind(str(path))
    tokens = TokenFile(tmp_path / "none.json")
    with Queue(tmp_path / "jobs.db") as queue:
        with HttpServer(queue, uds=path, tokens=tokens):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
                assert client.get("http://any.name/api/v1/jobs").json() == {"jobs": [], "next": None}
            with pytest.raises(InvalidOption, match="used by another process"):
                HttpServer(queue, uds=path, tokens=tokens)
        assert not path.exists()
        with pytest.raises(InvalidOption, match="cannot be bound"):
            HttpServer(queue, uds=tmp_path / "no" / "s", tokens=tokens)


def test_requests_that_arrive_while_the_server_drains_are_answered(tmp_path: Path) -> None:
    with served(tmp_path, protected=False) as api:
        accepted: list[int] = []
        resets: list[Exception] = []
        stopping = threading.Event()

        def enqueue() -> None:
            with httpx.Client(base_url=api.server.url, verify=False) as client:
                while True:
                    try:
                        response = client.post("/api/v1/jobs", json={"kind": "work.fail"})
                    except httpx.ConnectError:
                        return
                    except httpx.TransportError as error:
                        resets.append(error)
                        return
                    assert response.status_code == 201
                    accepted.append(response.json()["id"])
                    time.sleep(0.02)

        threads = [threading.Thread(target=enqueue) for _ in range(4)]
        for thread in threads:
            thread.start()
        eventually(lambda: len(accepted) > 20)
        stopping.set()
        assert api.server.stop(10)
        for thread in threads:
            thread.join()
        assert resets == []
        assert len(api.queue.get_many(accepted)) == len(accepted)


def test_no_answer_waits_for_the_acknowledgement_of_its_head(api: Api) -> None:
    """The system would hold the body back for 40 ms, unless it is told not to: a limit of 25 requests a second."""
    sent = b"GET /api/v1/jobs?limit=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    took = []
    with connect(api) as connection:
        for _ in range(12):
            began = time.monotonic()
            connection.sendall(sent)
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert length is not None
            while len(body) < int(length[1]):
                body += connection.recv(65536)
            took.append(time.monotonic() - began)
    assert min(took[4:]) < 0.03
