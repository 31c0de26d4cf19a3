"""Test the subcommands of `jobdeck schedule`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.tui.cli_runner import CommandLine, eventually

from jobdeck import Worker
from jobdeck_tui.cli import cli
from jobdeck_tui.commands.schedule import SUBCOMMANDS
from jobdeck_tui.commands.shells.answer import answer


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path)


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_subcommand_has_help_with_an_example_of_itself(name: str) -> None:
    result = CliRunner().invoke(cli, ["schedule", name, "--help"])
    assert result.exit_code == 0
    assert f"jobdeck schedule {name}" in result.stdout.split("Examples:", 1)[1]
    for line in result.stdout.splitlines():
        assert len(line) <= 120
    listed = CliRunner().invoke(cli, ["schedule", "--help"]).stdout
    assert re.search(rf"^  {name} +{re.escape(SUBCOMMANDS[name][1])}$", listed, re.MULTILINE)


def test_a_schedule_of_a_kind_is_added_listed_edited_run_and_deleted(deck: CommandLine) -> None:
    app = deck.tasks()
    told = deck.done("--app", app, "schedule", "add", "report", "0 9 * * MON-FRI", "tasks.send", "to=ann", "count=2",
                     "--timezone", "Europe/Berlin", "--priority", "5", "--tag", "x", "--timeout", "90s")  # fmt: skip
    assert re.fullmatch(
        r"Schedule report: At 09:00 on Monday through Friday, Europe/Berlin; next \w{3} \S+ 09:00 CES?T, in \w+\.\n", told
    )
    (made,) = deck.json("schedule", "list")
    assert (made["name"], made["cron"], made["description"]) == (
        "report",
        "0 9 * * MON-FRI",
        "At 09:00 on Monday through Friday",
    )
    assert made["args"] == {"to": "ann", "count": 2}
    assert (made["queue"], made["priority"], made["tags"], made["timeout"]) == ("mail", 5, ["x"], 90.0)
    assert (made["paused"], made["last_at"], made["last_job"], made["error"]) == (False, None, None, None)
    heads, row = deck.done("schedule", "list").splitlines()
    assert heads.split() == ["NAME", "STATE", "CRON", "IN", "WORDS", "NEXT", "IN", "LAST", "JOB", "KIND"]
    assert row.startswith("report  on     0 9 * * MON-FRI  At 09:00 on Monday through Friday, Europe/Berlin  ")
    (edited,) = deck.json("--app", app, "schedule", "edit", "report", "to=bob", "--cron", "@hourly", "--queue", "slow")
    assert (edited["args"]["to"], edited["args"]["count"], edited["cron"], edited["queue"]) == ("bob", 2, "@hourly", "slow")
    (edited,) = deck.json("--app", app, "schedule", "edit", "report", "--args", '{"to": "eve"}')
    assert (edited["args"], edited["timezone"]) == ({"to": "eve"}, "Europe/Berlin")
    assert deck.done("schedule", "run", "report") == "1\n"
    (job,) = deck.json("list", "tag:schedule:report")
    assert (job["id"], job["args"]["to"], job["queue"], job["state"]) == (1, "eve", "slow", "pending")
    (listed,) = deck.json("schedule", "list", "report")
    assert (listed["last_job"], listed["last_at"] is not None) == (1, True)
    assert deck.done("schedule", "delete", "report") == "Schedule report deleted.\n"
    assert deck.json("schedule", "list") == []
    assert len(deck.json("list")) == 1


def test_a_scheduled_command_runs_in_the_directory_of_the_caller(deck: CommandLine) -> None:
    deck.done("schedule", "add", "ping", "* * * * * *", "--shell", "echo $((6 * 7)) > answer")
    (made,) = deck.json("schedule", "list")
    assert made["args"] | {"env": None} == {
        "command": ["echo $((6 * 7)) > answer"], "shell": True, "cwd": str(deck.folder), "env": None,
    }  # fmt: skip
    with deck.queue() as queue, Worker(queue, threads=1):
        eventually(lambda: queue.count("state:completed") >= 1)
    assert (deck.folder / "answer").read_text() == "42\n"
    (edited,) = deck.json("schedule", "edit", "ping", "--shell", "true", "--cron", "every 1h")
    assert (edited["args"]["command"], edited["description"]) == (["true"], "Every hour")


def test_pause_and_resume_report_what_changed(deck: CommandLine) -> None:
    deck.done("schedule", "add", "a", "@daily", "--shell", "true")
    assert deck.done("schedule", "pause", "a") == "Schedule a paused.\n"
    assert deck.done("schedule", "pause", "a") == "Schedule a was already paused.\n"
    (listed,) = deck.json("schedule", "list")
    assert (listed["paused"], listed["next_at"]) == (True, None)
    assert re.search(
        r"^a +paused +@daily +At 00:00 every day, UTC +— +— +— +— +shell:true$", deck.done("schedule", "list"), re.MULTILINE
    )
    assert deck.json("schedule", "resume", "a") == [{"schedule": "a", "paused": False, "changed": True}]
    assert deck.done("schedule", "resume", "a") == "Schedule a was not paused.\n"


def test_list_shows_the_error_of_a_schedule(deck: CommandLine) -> None:
    deck.done("schedule", "add", "a", "@daily", "--shell", "true")
    with deck.queue() as queue:
        queue.store.schedules.record_error(queue.schedules.get("a"), "no \x1b[2J such field", 0.0)
    shown = deck.done("schedule", "list")
    assert re.search(r"^a +error ", shown, re.MULTILINE)
    assert shown.endswith("a: no \\x1b[2J such field\n")
    assert deck.json("schedule", "list")[0]["error"] == "no \x1b[2J such field"


def test_preview_shows_description_and_ticks_and_creates_no_database(deck: CommandLine) -> None:
    shown = deck.done("schedule", "preview", "30 2 * * *", "--tz", "Europe/Berlin", "-n", "3").splitlines()
    assert shown[0] == "At 02:30 every day, Europe/Berlin"
    assert len(shown) == 4
    assert all(re.fullmatch(r"  \w{3} \d{4}-\d\d-\d\d 0[23]:[03]0 CES?T", line) for line in shown[1:])
    (told,) = deck.json("schedule", "preview", "every 90s")
    assert (told["description"], len(told["ticks"])) == ("Every 90 seconds", 5)
    assert deck.json("schedule", "preview", "@daily", "--timezone", "local")[0]["timezone"] == "UTC"
    assert not deck.database.exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("add", "a", "61 * * * *", "--shell", "true"), 2, "an invalid minute '61': must be 0 to 59"),
        (("add", "a", "@daily", "--shell", "true", "--tz", "Mars"), 2, "timezone must be a name such as UTC"),
        (("add", "a", "0", "3", "*", "*", "*", "tasks.send"), 2, "'0' must have five fields"),
        (("add", "a", "@daily"), 2, "give either a KIND"),
        (("add", "a", "@daily", "shell", "--shell", "true"), 2, "give either a KIND"),
        (("add", "a", "@daily", "nosuch"), 1, "Unknown kind 'nosuch'"),
        (("add", "a b", "@daily", "--shell", "true"), 2, "name of a schedule"),
        (("add", "there", "@daily", "--shell", "true"), 1, "Schedule 'there' already exists"),
        (("edit", "there"), 2, "specify what to change"),
        (("edit", "there", "--shell", "true", "a=b"), 2, "omit KIND, KEY=VALUE and --args"),
        (("edit", "there", "--cron", "x"), 2, "must have five fields"),
        (("edit", "nosuch", "--cron", "@daily"), 1, "Schedule 'nosuch' does not exist"),
        (("run", "nosuch"), 1, "Schedule 'nosuch' does not exist"),
        (("pause", "nosuch"), 1, "Schedule 'nosuch' does not exist"),
        (("delete", "nosuch"), 1, "Schedule 'nosuch' does not exist"),
        (("list", "nosuch"), 1, "Schedule 'nosuch' does not exist"),
        (("preview", "0 0 30 2 *"), 2, "day-of-month '30'"),
        (("nosuch",), 2, "No such command 'nosuch'"),
    ],
)
def test_a_refused_command_explains_why_and_changes_nothing(
    deck: CommandLine, words: tuple[str, ...], code: int, told: str
) -> None:
    deck.done("schedule", "add", "there", "@daily", "--shell", "true")
    before = deck.json("schedule", "list")
    result = deck("schedule", *words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr
    assert deck.json("schedule", "list") == before


def test_replace_overwrites_the_existing_schedule(deck: CommandLine) -> None:
    deck.done("schedule", "add", "a", "@daily", "--shell", "true")
    deck.done("schedule", "add", "a", "@hourly", "--shell", "false", "--replace")
    (made,) = deck.json("schedule", "list")
    assert (made["cron"], made["args"]["command"]) == ("@hourly", ["false"])


def test_common_options_may_precede_or_follow_the_subcommand(deck: CommandLine, tmp_path: Path) -> None:
    deck.done("schedule", "add", "a", "@daily", "--shell", "true")
    for words in (["--db", str(deck.database), "schedule", "--json", "list"],
                  ["schedule", "--db", str(deck.database), "list", "--json"]):  # fmt: skip
        result = CliRunner().invoke(cli, words)
        assert json.loads(result.stdout)["name"] == "a"
    assert CliRunner().invoke(cli, ["--readonly", "schedule", "--db", str(deck.database), "delete", "a"]).exit_code == 2


def test_the_shell_completes_subcommands_names_and_zones(deck: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    deck.done("schedule", "add", "nightly", "@daily", "--shell", "true")

    def completed(line: str) -> list[str]:
        monkeypatch.setenv("JOBDECK_DATABASE", deck.where)
        return answer(cli, "fish", line.split(" ")).decode().replace("\t", "\0").split("\0")[1:-1]

    assert completed("jobdeck schedule p")[::2] == ["pause", "preview"]
    assert completed("jobdeck schedule run n") == ["nightly", "@daily shell:true"]
    assert completed("jobdeck schedule preview x --timezone Europe/Berl") == ["Europe/Berlin"]
