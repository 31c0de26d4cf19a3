"""`jobdeck serve` and `jobdeck token`."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.tui.cli_runner import CommandLine, command


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return CommandLine(tmp_path)


def test_the_server_runs_jobs_and_drains_on_sigterm(deck: CommandLine) -> None:
    token = deck.done("token", "add", "web", "--scope", "read,enqueue").strip()
    server = deck.start(
        "serve", "--app", deck.tasks(), "--port", 0, "--threads", 1, env={"XDG_DATA_HOME": str(deck.folder / "data")}
    )
    assert server.stderr is not None
    url = next(found[1] for line in server.stderr if (found := re.search(r"on (http://\S+)", line)))
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, verify=False) as client:
        job = client.post("/api/v1/jobs", json={"kind": "tasks.send", "args": {"to": "ann"}}).json()
        assert client.get(f"/api/v1/jobs/{job['id']}?wait=20").json()["state"] == "completed"
        assert client.get("/health").json()["healthy"] is True
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
    assert "Traceback" not in server.stderr.read()
    assert [worker["alive"] for worker in deck.json("workers")] == []


def test_tokens_are_added_listed_and_removed(deck: CommandLine) -> None:
    assert deck.done("token", "list") == ""
    (added,) = deck.json("token", "add", "web", "--scope", "read", "--scope", "enqueue,shell")
    assert added["token"].startswith("jobdeck_")
    assert [(each["name"], each["scopes"]) for each in deck.json("token", "list")] == [("web", ["read", "enqueue", "shell"])]
    assert added["token"] not in deck.done("token", "list")
    assert deck("token", "add", "web", "--scope", "read").exit_code == 1
    assert deck("token", "add", "b", "--scope", "all").exit_code == 2
    assert deck.done("token", "remove", "web") == "Removed token web.\n"
    refused = deck("token", "remove", "web")
    assert (refused.exit_code, refused.stderr) == (
        1,
        "jobdeck: Token 'web' does not exist; `jobdeck token list` lists the tokens.\n",
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--host", "0.0.0.0"], "without a token; add one with `jobdeck token add NAME`"),
        (["--host", "203.0.113.1", "--tokens", "some.json"], "cannot be bound"),
        (["--readonly", "--threads", "1"], "give one of them"),
        (["--uds", "no/such/folder/s"], "cannot be bound"),
    ],
)
def test_what_cannot_be_served_is_refused_in_a_sentence(
    deck: CommandLine, options: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(deck.folder)
    deck.done("token", "add", "web", "--scope", "read", "--tokens", "some.json")
    result = deck("serve", *options)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_without_the_extra_one_sentence_says_what_to_install(deck: CommandLine) -> None:
    hidden = deck.folder / "hidden"
    (hidden / "fastapi").mkdir(parents=True)
    (hidden / "fastapi" / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'fastapi'\", name='fastapi')\n"
    )
    code = f"import sys; sys.path.insert(0, {str(hidden)!r}); " + command()[-1]
    done = subprocess.run([sys.executable, "-c", code, "--db", deck.where, "serve"], capture_output=True, text=True, timeout=60)
    sentence = "jobdeck: jobdeck serve needs FastAPI and uvicorn; install them with: pip install 'jobdeck[http]'\n"
    assert (done.returncode, done.stderr) == (1, sentence)
    assert not deck.database.exists()


def test_no_other_command_imports_the_framework(deck: CommandLine) -> None:
    lines = [["list"], ["health"], ["kinds"], ["token", "list"], ["stats"]]
    program = f"""
import json, sys
import jobdeck
from click.testing import CliRunner
from jobdeck_tui.cli import COMMANDS, cli
for line in {lines!r}:
    CliRunner().invoke(cli, ["--db", {deck.where!r}, *line])
for name in COMMANDS:
    CliRunner().invoke(cli, [name, "--help"])
print(json.dumps(sorted(set(sys.modules) & {{"fastapi", "uvicorn", "starlette", "h11", "anyio"}})))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == []
