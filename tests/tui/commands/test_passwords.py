"""The password in the address of a database is in no output, whatever is wrong with the address."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.core.model.test_address import CHUNKS, TEMPLATES

from jobdeck_tui.cli import cli
from jobdeck_tui.commands.common import CliContext
from jobdeck_tui.commands.web import command_line, environment

PASSWORD = "Zq7v%Xw9k@Vk3j"
COMMANDS = [["list"], ["doctor", "--json"], ["run", "--", "true"], ["--snapshot"], ["health", "--json"]]


def shows_it(output: str) -> bool:
    return any(chunk in output for chunk in CHUNKS)


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_command_shows_it_or_makes_a_file_of_it(
    template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for password in (PASSWORD, PASSWORD.replace("%", "").replace("@", ""), "Zq7v Xw9k"):
        monkeypatch.setenv("JOBDECK_DATABASE", template.replace("{}", password))
        for words in COMMANDS:
            done = CliRunner().invoke(cli, words)
            assert done.exit_code != 0
            assert not shows_it(done.output)
            assert "bug in jobdeck" not in done.output
            assert "Traceback" not in done.output
    assert not list(tmp_path.iterdir())
    assert not shows_it("".join(capfd.readouterr()))


@pytest.mark.parametrize(
    "words",
    [
        ["postgresql://me:{}@h/jobs"],
        ["--dbb", "postgresql://me:{}@h/jobs", "list"],
        ["--dbb=postgresql://me:{}@h/jobs"],
        ["show", "postgresql://me:{}@h/jobs"],
        ["backup", "postgresql://me:{}@h/jobs"],
        ["backup", "me:{}@h"],
        ["backup", "host=h password={}"],
        ["--db", "postgresql+psycopg://me:{}@h/jobs", "worker"],
    ],
)
def test_an_address_in_the_wrong_place_of_a_command_line_is_not_repeated(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBDECK_DATABASE", str(tmp_path / "jobs.db"))
    assert CliRunner().invoke(cli, ["run", "--", "true"]).exit_code == 0
    before = sorted(tmp_path.iterdir())
    done = CliRunner().invoke(cli, [word.replace("{}", PASSWORD) for word in words])
    assert done.exit_code != 0
    assert not shows_it(done.output)
    assert [each for each in sorted(tmp_path.iterdir()) if each.suffix not in (".db-wal", ".db-shm")] == [
        each for each in before if each.suffix not in (".db-wal", ".db-shm")
    ]


def test_the_pages_of_a_browser_get_the_address_in_no_command_line() -> None:
    address = f"postgresql://me:{CHUNKS[0]}@127.0.0.1:1/jobs"
    front = CliContext(db=address)
    assert not shows_it(command_line(front, demo=False))
    assert environment(front) == {"JOBDECK_DATABASE": address}
    assert not shows_it(repr(front))
    assert not shows_it(repr(front.settings))
