"""Tests of capturing one frame as text or as SVG, without a terminal."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.tui.cli_runner import CommandLine, command

from jobdeck import Queue


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    made = CommandLine(tmp_path)
    with made.queue() as queue:
        queue.enqueue("shell", {"command": ["echo", "hello"]}, queue="mail")
    return made


def run(line: CommandLine, *args: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command as a separate process: encodings and terminals belong to the process."""
    words = command("--db", str(line.database), *args)
    return subprocess.run(words, capture_output=True, cwd=line.folder, env={**os.environ, **env}, stdin=subprocess.DEVNULL)


def test_a_snapshot_is_the_main_screen_in_the_requested_size(line: CommandLine) -> None:
    ran = run(line, "--snapshot", "--size", "100x30", PYTHONUTF8="1")
    assert (ran.returncode, ran.stderr) == (0, b"")
    shown = ran.stdout.decode().splitlines()
    assert len(shown) == 30
    assert max(map(len, shown)) == 100
    assert shown[0].startswith(" jobdeck")
    assert any("○ pending         1 shell" in each for each in shown)
    assert b"\x1b" not in ran.stdout


def test_a_snapshot_of_a_full_table_marks_where_its_details_are_cut(line: CommandLine) -> None:
    with line.queue() as queue:
        queue.enqueue_many([queue.new_job("shell", {"command": ["echo", "a long text " * 9]}) for _ in range(60)])
    shown = run(line, "--snapshot", "--size", "80x24", PYTHONUTF8="1").stdout.decode().splitlines()
    rows = [each for each in shown if "○ pending  " in each]
    assert len(rows) > 10
    assert [each for each in rows if "…" not in each[-3:]] == []


def test_a_snapshot_only_reads_and_runs_no_job(line: CommandLine) -> None:
    run(line, "--snapshot", "--size", "80x24")
    with Queue(line.database) as queue:
        assert queue.get(1).attempt == 0
        assert not queue.workers.list()


def test_a_snapshot_shows_another_screen_by_name(line: CommandLine) -> None:
    shown = run(line, "--snapshot", "--size", "80x24", "--screen", "queues", PYTHONUTF8="1").stdout.decode()
    assert "╭─ ³queues" in shown
    assert "mail" in shown


def test_a_snapshot_is_ascii_if_the_encoding_is_not_utf_8(line: CommandLine) -> None:
    for env, args in (({"PYTHONIOENCODING": "latin-1"}, ()), ({"PYTHONIOENCODING": "utf-8"}, ("--ascii",))):
        shown = run(line, *args, "--snapshot", "--size", "120x40", **env).stdout
        assert shown.isascii()
        assert b"+- 5 jobs ---" in shown
        assert b"\\" not in shown  # none was escaped


def test_the_environment_sets_ascii_and_the_theme(line: CommandLine, tmp_path: Path) -> None:
    assert run(line, "--snapshot", PYTHONUTF8="1", JOBDECK_ASCII="1").stdout.isascii()
    picture = tmp_path / "light.svg"
    run(line, "--screenshot", str(picture), "--size", "80x24", JOBDECK_THEME="light")
    assert "#fbfaf7" in picture.read_text()
    run(line, "--theme", "contrast", "--screenshot", str(picture), "--size", "80x24", JOBDECK_THEME="light")
    assert "#fbfaf7" not in picture.read_text()
    for name, value in (("JOBDECK_THEME", "pink"), ("JOBDECK_ASCII", "perhaps")):
        ran = run(line, "--snapshot", **{name: value})
        assert ran.returncode == 2
        assert f"{name} is '{value}'" in ran.stderr.decode()


def test_a_screenshot_is_saved_as_svg_and_nothing_is_printed(line: CommandLine, tmp_path: Path) -> None:
    picture = tmp_path / "deck.svg"
    ran = run(line, "--screenshot", str(picture), "--size", "120x40")
    assert (ran.returncode, ran.stdout) == (0, b"")
    assert picture.read_text().startswith("<svg")
    assert "shell" in picture.read_text()


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--snapshot", "--size", "40x10"), 1, "The cockpit needs at least 60x15 characters."),
        (("--snapshot", "--size", "wide"), 2, "'wide' is not a size such as 120x40"),
        (("--snapshot", "--screen", "nowhere"), 2, "unknown screen 'nowhere'; choose one of jobs"),
        (("--screenshot", "/nowhere/deck.svg"), 1, "/nowhere/deck.svg: No such file or directory."),
    ],
)
def test_invalid_options_are_reported(line: CommandLine, args: tuple[str, ...], code: int, said: str) -> None:
    ran = run(line, *args)
    assert ran.returncode == code
    assert said in ran.stderr.decode()
    assert b"Traceback" not in ran.stderr
    assert ran.stdout == b""


def test_a_snapshot_of_a_missing_database_fails_and_creates_none(tmp_path: Path) -> None:
    ran = run(CommandLine(tmp_path), "--snapshot")
    assert ran.returncode == 1
    assert b"jobs.db does not exist" in ran.stderr
    assert not (tmp_path / "jobs.db").exists()
