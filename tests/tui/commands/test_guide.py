"""`jobdeck guide`: the list of topics, a page, and what is no topic."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from tests.tui.cli_runner import CommandLine, command
from tests.tui.pseudo_terminal import Screen

from jobdeck_tui.cli import cli
from jobdeck_tui.guide import ORDER, read_page


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path)


def test_without_a_topic_every_topic_is_listed_with_its_summary(deck: CommandLine) -> None:
    lines = deck.done("guide").splitlines()
    assert [line.split()[0] for line in lines] == [*ORDER]
    assert lines[3].endswith(read_page("retries").summary)


def test_a_piped_page_is_its_markdown_without_any_control_character(deck: CommandLine) -> None:
    printed = deck.done("guide", "retries")
    assert printed == read_page("retries").text.rstrip("\n") + "\n"
    assert printed.startswith("# Retries\n")
    assert "\x1b" not in printed


def test_the_marks_of_made_tables_are_not_printed(deck: CommandLine) -> None:
    assert "<!--" not in deck.done("guide", "settings")


def test_an_unknown_topic_is_one_sentence_with_a_suggestion(deck: CommandLine) -> None:
    result = deck("guide", "retrys")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "jobdeck: The guide has no topic 'retrys'; did you mean retries?\n"


def test_where_no_topic_is_close_the_list_is_named(deck: CommandLine) -> None:
    result = deck("guide", "\x1b[2Jzzz")
    assert result.exit_code == 1
    assert result.stderr == "jobdeck: The guide has no topic '\\x1b[2Jzzz'; `jobdeck guide` lists the topics.\n"


def test_the_pages_as_json(deck: CommandLine) -> None:
    documents = deck.json("guide")
    assert [each["topic"] for each in documents] == [*ORDER]
    (page,) = deck.json("guide", "keys")
    assert page["title"] == "Keys"
    assert page["text"] == read_page("keys").text


def test_the_guide_needs_no_queue_and_makes_none(deck: CommandLine) -> None:
    deck.done("guide", "limits")
    assert not deck.database.exists()


@pytest.mark.parametrize(("typed", "offered"), [("", [*ORDER]), ("po", ["postgresql"]), ("s", ["schedules", "settings"])])
def test_the_shell_completes_topics(typed: str, offered: list[str]) -> None:
    items = ShellComplete(cli, {}, "jobdeck", "_JOBDECK_COMPLETE").get_completions(["guide"], typed)
    assert [item.value for item in items] == offered
    assert all(item.help for item in items)


def test_a_pipe_that_is_closed_early_is_no_traceback(deck: CommandLine) -> None:
    program = subprocess.Popen(command("guide", "keys"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert program.stdout is not None
    assert program.stderr is not None
    program.stdout.close()
    assert program.stderr.read() == ""
    program.wait()


def test_on_a_terminal_a_page_opens_in_a_viewer_that_q_closes(deck: CommandLine) -> None:
    screen = Screen(sys.executable, "-m", "jobdeck_tui", "guide", "retries")
    try:
        screen.see(f"Retries · 4 of {len(ORDER)}")
        screen.see("on this page")
        screen.type("q")
        assert screen.process.wait(timeout=20) == 0
    finally:
        screen.end()
