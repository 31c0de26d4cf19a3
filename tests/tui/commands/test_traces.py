"""Commands that enqueue take the trace from their environment, as commands in a trace do; `show` names it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.tui.cli_runner import CommandLine

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path)


def test_every_command_that_enqueues_takes_the_trace_of_its_environment(
    deck: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACEPARENT", PARENT)
    monkeypatch.setenv("TRACESTATE", "vendor=1")
    (deck.folder / "jobs.jsonl").write_text('{"kind": "shell", "args": {"command": ["true"]}}\n')
    deck.done("run", "--", "true")
    deck.done("run", "--each", "--", "echo", input="a\nb\n")
    deck.done("run", "--each", "--batch", "b", "--", "echo", input="a\n")
    deck.done("enqueue", "shell", 'command=["true"]')
    deck.done("enqueue", "--file", "jobs.jsonl")
    deck.done("enqueue", "--file", "jobs.jsonl", "--batch", "c")
    deck.done("schedule", "add", "night", "@yearly", "shell", 'command=["true"]')
    deck.done("schedule", "run", "night")
    monkeypatch.delenv("TRACEPARENT")
    deck.done("run", "--", "true")
    last, *traced = deck.json("list")
    assert last["traceparent"] is None  # not of an earlier command in this process
    assert len(traced) == 8
    assert {(each["trace_id"], each["traceparent"], each["tracestate"]) for each in traced} == {(TRACE, PARENT, "vendor=1")}
    assert not any("TRACEPARENT" in (each["args"].get("base_env") or {}) for each in traced)


def test_a_malformed_traceparent_in_the_environment_is_ignored(deck: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEPARENT", "00-hello")
    deck.done("run", "--", "true")
    assert deck.json("show", 1)[0]["trace_id"] is None
    assert re.search(r"^trace", deck.done("show", 1), re.MULTILINE) is None


def test_show_names_the_trace(deck: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEPARENT", PARENT)
    deck.done("run", "--", "true")
    assert re.search(rf"^trace +{TRACE}$", deck.done("show", 1), re.MULTILINE)
