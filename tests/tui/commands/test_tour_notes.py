"""`jobdeck lab notes`: the whole script as plain text; on a terminal, the step that a running tour is at."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from tests.tui.cli_runner import CommandLine
from tests.tui.pseudo_terminal import Screen
from tests.tui.tour.staged_tour import StagedTour

from jobdeck_tui.scratch_folder import scratch_folder
from jobdeck_tui.tour.script import STEPS, steps_of


@pytest.fixture
def jobdeck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return CommandLine(tmp_path)


def test_all_notes_are_printed_as_plain_text_where_there_is_no_terminal(jobdeck: CommandLine) -> None:
    text = jobdeck.done("lab", "notes")
    assert [step.title for step in STEPS if step.title not in text] == []
    assert "\x1b" not in text


def test_the_notes_are_those_of_the_tour_that_runs(jobdeck: CommandLine) -> None:
    with scratch_folder("jobdeck-demo-", "The demo") as folder:
        StagedTour(folder).start("90s")
        documents = [json.loads(line) for line in jobdeck.done("lab", "notes", "--json").splitlines()]
    assert [each["name"] for each in documents] == [step.name for step in steps_of("90s")]
    assert {"question", "choices", "problem", "solution", "why", "trade_off", "notes"} <= documents[0].keys()


def test_the_notes_have_the_step_on_postgresql_if_a_server_is_configured(jobdeck: CommandLine) -> None:
    def names(*words: str) -> list[str]:
        return [json.loads(line)["name"] for line in jobdeck.done(*words, "lab", "notes", "--json").splitlines()]

    assert "row-locks" not in names()
    assert names("--db", "postgresql:///app") == [step.name for step in steps_of("5m", has_server=True)]
    with scratch_folder("jobdeck-demo-", "The demo") as folder:
        StagedTour(folder, server="postgresql:///app").start()
        assert "row-locks" in names(), "the tour that runs has it"


def test_notes_have_no_seed_and_no_report(jobdeck: CommandLine) -> None:
    assert jobdeck("lab", "notes", "--seed", "7").exit_code == 2


def test_on_a_terminal_the_notes_follow_the_presenter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch_folder("jobdeck-demo-", "The demo") as folder:
        session = StagedTour(folder).start()
        terminal = Screen(sys.executable, "-m", "jobdeck_tui", "lab", "notes", size=(80, 40), TMPDIR=str(tmp_path))
        try:
            terminal.see(STEPS[0].title)
            terminal.see(f"next: {STEPS[1].title}")
            session.skip()
            terminal.see(STEPS[1].notes[0][:40])
            session.close()
            terminal.see("No tour is running")
            os.write(terminal.near, b"\x03")
            assert terminal.process.wait(timeout=10) == 0
        finally:
            terminal.end()
