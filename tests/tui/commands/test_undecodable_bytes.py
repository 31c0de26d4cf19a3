"""Words of a command line and folders that are not UTF-8: their bytes reach the command, and JSON stays valid."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.helpers import ADDRESSES, CLOSES, EVERY_STORE
from tests.tui.cli_runner import CommandLine

from jobdeck_tui.forms.cli_command import enqueue_command

WORD = "caf\udce9"
"""`caf` and the byte E9, as Python reads a word of the command line."""


@pytest.fixture(params=EVERY_STORE)
def deck(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CommandLine]:
    path = tmp_path / "jobs.db"
    yield CommandLine(tmp_path, ADDRESSES[request.param](path))
    CLOSES[request.param](path)


def test_bytes_survive_from_the_command_line_to_the_command(deck: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = deck.folder / f"folder {WORD}"
    folder.mkdir()
    (folder / WORD).write_text("content")
    monkeypatch.chdir(folder)
    deck.done("run", "--", "cat", WORD)
    deck.done("run", "--env", f"X={WORD}", "--shell", "--", f'printf %s "$X" {WORD} | od -An -tx1; pwd | grep -c "$X"')
    monkeypatch.chdir(deck.folder)
    deck.done("run", "--cwd", f"folder {WORD}", "--", "cat", WORD)
    deck.done("enqueue", "shell", f'command=["cat", "{WORD}"]', f"cwd={folder}")
    deck.done("edit", 4, "--priority", 3)
    deck.done("undo")
    deck.work()
    documents = deck.json("list", "--sort", "id")
    assert [each["stdout"].strip() for each in sorted(documents, key=lambda each: each["id"])] == [
        "content", "63 61 66 e9 63 61 66 e9\n1", "content", "content"
    ]  # fmt: skip
    (shown,) = deck.json("show", 1)
    shown["args"].pop("base_env")
    assert shown["args"] == {"command": ["cat", WORD], "cwd": str(folder)}
    assert r"cat 'caf\xe9'" in deck.done("show", 1)
    assert r"cat 'caf\xe9'" in deck.done("list")
    assert deck.done("list", "args.command:x") == ""


def test_a_copied_command_line_enqueues_the_same_bytes(tmp_path: Path) -> None:
    deck = CommandLine(tmp_path)
    deck.done("run", "--", "cat", WORD, "it's")
    with deck.queue() as queue:
        line = enqueue_command(queue.get(1))
    assert "\udce9" not in line
    printed = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True).stdout
    assert printed.split(b"\0")[-4:-1] == [b"cat", b"caf\xe9", b"it's"]
    assert shlex.split(line)[0] == "jobdeck"


def test_words_that_are_stored_as_text_are_refused_in_a_sentence(tmp_path: Path) -> None:
    deck = CommandLine(tmp_path)
    deck.done("run", "--", "true")
    for words in (
        ["run", "--tag", WORD, "--", "true"], ["run", "--unique", WORD, "--", "true"], ["run", "--queue", WORD, "--", "true"],
        ["list", WORD], ["show", WORD], ["enqueue", WORD], ["enqueue", "--file", WORD], ["pause", WORD], ["backup", WORD],
        ["schedule", "add", WORD, "@daily", "--shell", "true"], ["guide", WORD], ["--db", f"{WORD}.db", "run", "--", "true"],
        ["--app", f"{WORD}.py", "kinds"],
    ):  # fmt: skip
        result = deck(*words)
        assert result.exit_code in (1, 2), words
        assert "bug in jobdeck" not in result.stderr
        assert "surrogates not allowed" not in result.stderr
        result.stderr.encode()
    assert not (tmp_path / os.fsdecode(b"caf\xe9.db")).exists()


def test_json_of_lost_bytes_is_valid(tmp_path: Path) -> None:
    deck = CommandLine(tmp_path)
    document = deck.done("run", "--json", "--", "cat", WORD)
    assert document.isascii()
    assert json.loads(document)["args"]["command"] == ["cat", WORD]
