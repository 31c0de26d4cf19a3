"""Test the cockpit in a browser: it serves the loopback address only, and only under its secret path."""

from __future__ import annotations

import asyncio
import builtins
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.core.helpers import wait_until
from tests.tui.cli_runner import CommandLine

from jobdeck import Queue
from jobdeck_tui.commands.common import CliContext
from jobdeck_tui.commands.web import command_line

aiohttp = pytest.importorskip("aiohttp")
pytest.importorskip("textual_serve")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str], Path]]:
    """Serve a cockpit; yield its address, process and database."""
    line = CommandLine(tmp_path)
    process = line.start("--threads", "1", "--web", "--port", "0", env={"PYTHONUNBUFFERED": "1"})
    assert process.stdout is not None
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found is not None
    port = int(re.search(r":(\d+)/", found[0])[1])  # type: ignore[index]
    wait_until(lambda: listens(port))  # the address is printed shortly before
    yield found[0], process, line.database
    if process.poll() is None:
        process.kill()
    process.communicate()


def listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def get(address: str, **headers: str) -> tuple[int, str, Any]:
    async def run() -> tuple[int, str, Any]:
        async with aiohttp.ClientSession() as session, session.get(address, headers=headers) as answer:
            return answer.status, await answer.text(), answer.headers

    return asyncio.run(run())


def test_each_page_gets_a_cockpit_that_closes_with_the_page(
    served: tuple[str, subprocess.Popen[str], Path],
) -> None:
    address, process, database = served
    status, page, headers = get(address)
    assert status == 200
    assert "textual-terminal" in page
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]

    async def watch() -> bytes:
        got = b""
        page = address.replace("http", "ws") + "ws?width=100&height=30"
        async with aiohttp.ClientSession() as session, session.ws_connect(page) as socket:
            while b"LIVE" not in got:
                message = await socket.receive(timeout=30)
                assert message.type is aiohttp.WSMsgType.BINARY, message
                got += message.data
        return got

    assert b"jobdeck" in asyncio.run(watch())
    with Queue(database) as queue:
        wait_until(lambda: not queue.workers.list())
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=15) == 0


def test_other_host_names_origins_and_paths_are_refused(
    served: tuple[str, subprocess.Popen[str], Path],
) -> None:
    address, _, _ = served
    host = address.split("/")[2]
    assert host.startswith("127.0.0.1:")
    assert get(address, Host="evil.example")[0] == 403
    assert get(address, Host=host.replace("127.0.0.1", "localhost"))[0] == 403
    status, said, _ = get(address + "ws", Origin="http://evil.example")
    assert (status, said) == (403, f"jobdeck serves http://{host} only.\n")
    for fetch in ("cross-site", "same-site"):
        for path in ("", "ws", "static/js/textual.js"):
            assert get(address + path, **{"Sec-Fetch-Site": fetch, "Sec-Fetch-Mode": "no-cors"})[0] == 403
    # A link to the cockpit, in a mail for example, may be followed.
    assert get(address, **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})[0] == 200
    status, _, headers = get(address, **{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors"})
    assert (status, headers["X-Content-Type-Options"], headers["Cache-Control"]) == (200, "nosniff", "no-store")
    for guess in ("", "ws", "static/js/textual.js", "x" * 24 + "/", "%ff%fe/", "%2e%2e/", "é"):
        assert get(f"http://{host}/{guess}")[0] == 404
    port = int(host.partition(":")[2])
    own = {each[4][0] for each in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for other in own:
        with socket.socket() as tried:
            tried.settimeout(2)
            assert tried.connect_ex((other, port)) != 0


def test_a_taken_port_is_reported_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = CommandLine(tmp_path)("--web", "--port", taken.getsockname()[1])
    assert result.exit_code == 1
    assert re.fullmatch(r"jobdeck: Port \d+ is not available \(.*\); choose another with --port\.\n", result.stderr)


def test_a_missing_extra_is_reported_with_the_install_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def fake(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith("textual_serve"):
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", fake)
    result = CommandLine(tmp_path)("--web")
    assert result.exit_code == 1
    assert result.stderr == "jobdeck: --web needs textual-serve; install it with: pip install 'jobdeck[web]'\n"


def test_the_cockpit_of_a_page_gets_the_options_of_the_command_line() -> None:
    front = CliContext(db="my jobs.db", app="tasks", threads=2, readonly=True, theme="light", ascii=True)
    said = command_line(front, demo=False).partition(" -m ")[2]
    assert said == "jobdeck_tui --db 'my jobs.db' --app tasks --threads 2 --theme light --readonly --ascii"
    assert command_line(CliContext(), demo=True).endswith("-m jobdeck_tui demo")
