"""What a worker answers to the probes of service managers and containers."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.core.helpers import wait_until

from jobdeck import HealthFile, HealthServer, InvalidOption, Queue, Registry, Worker, add_shell
from jobdeck.model.errors import StoreMissing
from jobdeck.model.overview import StalledThread


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    registry = Registry()
    add_shell(registry)
    with Queue(tmp_path / "jobs.db", registry=registry) as queue:
        yield queue


@pytest.fixture
def worker(queue: Queue) -> Iterator[Worker]:
    with Worker(queue, threads=1) as worker:
        yield worker


@pytest.fixture
def server(queue: Queue, worker: Worker) -> Iterator[HealthServer]:
    with HealthServer(queue, worker, 0) as server:
        yield server


def get(server: HealthServer, path: str, **headers: str) -> tuple[int, str]:
    answer = httpx.get(server.url + path, headers=headers, verify=False)
    assert answer.headers["x-content-type-options"] == "nosniff"
    return answer.status_code, answer.text


def hang(monkeypatch: pytest.MonkeyPatch, queue: Queue, seconds: float, error: str | None = None) -> None:
    stalled = (StalledThread(thread="claimer", since=queue.clock.now() - seconds, error=error),)
    monkeypatch.setattr(Worker, "stalled", property(lambda self: stalled))


def test_a_worker_that_runs_is_alive_and_ready(queue: Queue, server: HealthServer, worker: Worker) -> None:
    assert [get(server, path) for path in ("/healthz", "/readyz")] == [(200, "ok\n")] * 2
    wait_until(lambda: queue.workers.list())
    status, text = get(server, "/health")
    assert (status, json.loads(text)) == (200, json.loads(text) | {"healthy": True, "reasons": [], "workers": 1})
    assert get(server, "/other")[0] == 404
    assert httpx.head(f"{server.url}/readyz", verify=False).status_code == 200


def test_a_worker_that_drains_is_alive_and_not_ready(server: HealthServer, worker: Worker) -> None:
    worker.drain()
    assert get(server, "/healthz") == (200, "ok\n")
    assert get(server, "/readyz") == (503, "The worker shuts down.\n")


def test_a_worker_is_restarted_only_if_it_hangs_for_longer_than_it_takes_to_help_itself(
    queue: Queue, server: HealthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang(monkeypatch, queue, 20)
    assert get(server, "/healthz") == (200, "ok\n")
    assert get(server, "/readyz") == (503, "The claimer makes no progress.\n")
    hang(monkeypatch, queue, 600, "The database is locked.")
    assert get(server, "/healthz") == (200, "ok\n")
    assert get(server, "/readyz") == (503, "The claimer makes no progress: The database is locked.\n")
    hang(monkeypatch, queue, 90)
    for path in ("/healthz", "/readyz"):
        status, text = get(server, path)
        assert (status, text.startswith("The claimer has made no progress for 9")) == (503, True)


def test_a_worker_without_its_database_is_alive_and_not_ready(
    queue: Queue, server: HealthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise StoreMissing("/secret/path")

    monkeypatch.setattr(queue.store.queries, "list", fail)
    monkeypatch.setattr(queue.store.queries, "overview", fail)
    assert get(server, "/healthz") == (200, "ok\n")
    assert get(server, "/readyz") == get(server, "/health") == (503, "The database cannot be used.\n")


def test_a_database_that_does_not_answer_is_reported_in_time_and_blocks_no_other_probe(
    queue: Queue, server: HealthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    monkeypatch.setattr("jobdeck.worker.health._ANSWERS_WITHIN", 0.05)
    monkeypatch.setattr(queue.store.queries, "list", lambda *_, **__: answers.wait(10))
    assert get(server, "/readyz") == get(server, "/readyz") == (503, "The database does not answer.\n")
    assert get(server, "/healthz") == (200, "ok\n")
    answers.set()
    wait_until(lambda: get(server, "/readyz") == (200, "ok\n"))


def test_an_unhealthy_queue_says_why(queue: Queue) -> None:
    queue.enqueue("shell", {"command": ["true"]}, queue="other")
    with Worker(queue, threads=1, queues=("mail",)) as worker, HealthServer(queue, worker, 0) as server:
        wait_until(lambda: "serves" in get(server, "/health")[1])
        status, text = get(server, "/health")
        assert (status, json.loads(text)["reasons"]) == (503, ["No live worker serves queue other; 1 job pending."])
        assert get(server, "/readyz") == (200, "ok\n")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", "[::2]"])
def test_the_health_of_the_queue_is_not_told_to_pages_that_rebind_a_name(server: HealthServer, host: str) -> None:
    assert get(server, "/health", Host=host)[0] == 403
    assert get(server, "/healthz", Host=host)[0] == 200  # a probe may come under any name


def test_a_client_that_sends_nothing_keeps_no_one_waiting(server: HealthServer) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    slow = [socket.create_connection((host, int(port))) for _ in range(8)]
    assert get(server, "/healthz") == (200, "ok\n")
    for each in slow:
        each.close()


def test_a_stopped_server_frees_its_port_at_once(queue: Queue, worker: Worker) -> None:
    server = HealthServer(queue, worker, 0)
    server.start()
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(InvalidOption, match=r"cannot be bound: .*in use; choose others"):
        HealthServer(queue, worker, port)
    server.stop()
    HealthServer(queue, worker, port).stop()


def test_a_forked_child_does_not_keep_the_port(queue: Queue, worker: Worker, server: HealthServer) -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        os.read(reader, 1)  # until the parent has bound the port again
        os._exit(0)
    os.close(reader)
    try:
        server.stop()
        HealthServer(queue, worker, int(server.url.rpartition(":")[2])).stop()
    finally:
        os.close(writer)
        os.waitpid(pid, 0)


# -- the file -------------------------------------------------------------------------------------


def test_the_file_is_touched_while_the_worker_can_run_jobs_and_removed_at_its_end(
    queue: Queue, worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ok"
    with HealthFile(queue, worker, path, every=0.01):
        wait_until(path.exists)
        before = path.stat().st_mtime_ns
        wait_until(lambda: path.stat().st_mtime_ns > before)
        hang(monkeypatch, queue, 20, "The database is locked.")  # it may be borne
        os.utime(path, (1, 1))
        wait_until(lambda: path.stat().st_mtime == 1)
        hang(monkeypatch, queue, 90)
        wait_until(lambda: not path.exists())
        monkeypatch.undo()
        wait_until(path.exists)
    assert not path.exists()


def test_a_file_that_cannot_be_written_is_refused_at_the_start(queue: Queue, worker: Worker, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=r"health file .*missing/ok cannot be written: No such file or directory"):
        HealthFile(queue, worker, tmp_path / "missing" / "ok")
    (tmp_path / "link").symlink_to(tmp_path / "other")
    with pytest.raises(InvalidOption):
        HealthFile(queue, worker, tmp_path / "link")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidOption):
        HealthFile(queue, worker, tmp_path / "pipe")
    assert {each.name for each in tmp_path.iterdir()} >= {"link", "pipe"}
    assert not (tmp_path / "other").exists()
