"""`jobdeck worker --health-port --health-file`."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path

import httpx
import pytest
from tests.tui.cli_runner import CommandLine, eventually


def test_a_worker_answers_probes_until_it_stops(tmp_path: Path) -> None:
    deck = CommandLine(tmp_path)
    path = tmp_path / "worker.ok"
    worker = deck.start("worker", "--health-port", 0, "--health-file", path)
    assert worker.stderr is not None
    url = next(found[1] for line in worker.stderr if (found := re.search(r"answered at (http://127\.0\.0\.1:\d+)", line)))
    assert httpx.get(f"{url}/readyz", verify=False).text == "ok\n"
    eventually(path.exists)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    assert not path.exists()
    assert "Traceback" not in worker.stderr.read()


@pytest.mark.parametrize("port", ["x", "65536", "::1", "127.0.0.1:", "-1"])
def test_an_address_that_is_none_is_wrong_usage(tmp_path: Path, port: str) -> None:
    refused = CommandLine(tmp_path)("worker", "--health-port", port)
    assert refused.exit_code == 2
    assert "is not a port such as 8766, or a host and a port such as 0.0.0.0:8766" in refused.stderr


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        worker = CommandLine(tmp_path).start("worker", "--health-port", port)
        _, errors = worker.communicate(timeout=20)
    assert worker.returncode == 2
    assert f"The health address 127.0.0.1 and the port {port} cannot be bound: Address already in use; choose others." in errors
    assert "Traceback" not in errors
