"""Test `jobdeck enqueue` and `jobdeck run`."""

from __future__ import annotations

import json
import os
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.tui.cli_runner import CommandLine

from jobdeck_tui.commands.param_types import parse_time


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path)


def test_enqueue_prints_only_the_id_for_scripts(deck: CommandLine) -> None:
    app = deck.tasks()
    assert deck.done("--app", app, "enqueue", "tasks.send", "to=ann@example.org") == "1\n"
    (job,) = deck.json("list")
    assert (job["state"], job["queue"], job["max_attempts"]) == ("pending", "mail", 2)
    assert job["args"] == {"to": "ann@example.org"}


def test_a_value_is_text_for_a_text_argument_and_json_otherwise(deck: CommandLine) -> None:
    app = deck.tasks()
    deck.done("--app", app, "enqueue", "tasks.send", "to=42", "count=3", "attach=7", "mode=html")
    deck.done("--app", app, "enqueue", "tasks.send", "to=a=b", 'attach="x"')
    deck.done("--app", app, "enqueue", "tasks.add", "numbers=[1, 2]", "exact=false")
    third, second, first = (job["args"] for job in deck.json("list"))
    assert first == {"to": "42", "count": 3, "mode": "html", "attach": "7"}
    assert (second["to"], second["attach"]) == ("a=b", '"x"')
    assert third == {"numbers": [1, 2], "exact": False}


def test_pairs_override_the_object_of_args(deck: CommandLine) -> None:
    deck.done("--app", deck.tasks(), "enqueue", "tasks.send", "count=2", "--args", '{"to": "a", "count": 1}')
    assert deck.json("list")[0]["args"]["count"] == 2


def test_every_job_option_is_stored(deck: CommandLine) -> None:
    options = {"queue": "q", "priority": -5, "in": "1h30m", "max-attempts": 7, "timeout": "2m"}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    (job,) = deck.json("--app", deck.tasks(), "enqueue", "tasks.send", "to=x", *words, "--tag", "a", "--tag", "b")
    assert (job["queue"], job["priority"], job["max_attempts"], job["timeout"]) == ("q", -5, 7, 120.0)
    assert (job["tags"], job["state"]) == (["a", "b"], "scheduled")
    begin, due = (datetime.fromisoformat(job[name]) for name in ("created_at", "scheduled_at"))
    assert abs((due - begin).total_seconds() - 5400) < 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nosuch.kind",), "nosuch.kind"),
        (("tasks.send",), "'to'"),
        (("tasks.send", "to=x", "count=many"), "'count'"),
        (("tasks.send", "to=x", "extra=1"), "'extra'"),
        (("tasks.send", "to=x", "mode=fancy"), "'mode'"),
        (("tasks.send", "to=" + "x" * 70_000), "JOBDECK_MAX_ARGS_BYTES"),
        (("tasks.send", "--args", "[1]"), "object"),
        (("tasks.send", "--args", "{"), "JSON"),
        (("tasks.send", "--args", '{"to": ' + "[" * 20_000), "--args is nested too deeply."),
    ],
)
def test_an_invalid_job_is_refused_with_one_sentence(deck: CommandLine, words: tuple[str, ...], told: str) -> None:
    result = deck("--app", deck.tasks(), "--json", "enqueue", *words)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert result.stderr.startswith("jobdeck: ")
    assert told in result.stderr
    assert deck.json("list") == []


def test_an_app_that_cannot_be_imported_is_named_in_the_error(deck: CommandLine) -> None:
    result = deck("--app", "nosuch_module", "enqueue", "tasks.send")
    assert result.exit_code == 1
    assert "nosuch_module" in result.stderr


def test_a_file_is_enqueued_in_the_order_of_its_lines(deck: CommandLine) -> None:
    lines = [
        {"kind": "tasks.send", "args": {"to": "a"}, "queue": "q", "priority": 4, "in": "10m", "max_attempts": 3},
        {"args": {"to": "b"}, "at": "2020-01-01T00:00:00Z", "timeout": 5, "tags": ["x"]},
    ]
    path = deck.folder / "jobs.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    printed = deck.done("--app", deck.tasks(), "enqueue", "tasks.send", "--file", path, "--tag", "all", "--in", "1h")
    assert printed == "1\n2\n"
    second, first = deck.json("list")
    assert (first["queue"], first["priority"], first["max_attempts"], first["tags"]) == ("q", 4, 3, ["all"])
    assert (first["state"], second["state"]) == ("scheduled", "pending")
    assert (second["timeout"], second["tags"], second["args"]["to"]) == (5.0, ["x"], "b")


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b'{"kind": "nosuch"}',
        b'{"kind": 3}',
        b"{}",
        b'{"kind": "shell", "args": {}}',
        b'{"kind": "shell", "args": []}',
        b'{"kind": "shell", "args": {"command": ["x"]}, "queue": 3}',
        b'{"kind": "shell", "args": {"command": ["x"]}, "priority": "high"}',
        b'{"kind": "shell", "args": {"command": ["x"]}, "in": "soon"}',
        b'{"kind": "shell", "args": {"command": ["x"]}, "at": 5}',
        b'{"kind": "shell", "args": {"command": ["x"]}, "tags": "x"}',
        b'{"kind": "shell", "args": {"command": ["x"]}, "color": "red"}',
        b"[" * 100_000,
    ],
)
def test_an_invalid_line_is_reported_by_number_and_nothing_is_enqueued(deck: CommandLine, line: bytes) -> None:
    good = b'{"kind": "shell", "args": {"command": ["true"]}}'
    result = deck("enqueue", "--file", "-", input=good + b"\n\n" + line + b"\n" + good)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert "standard input, line 3: " in result.stderr
    assert deck.json("list") == []


def test_ten_thousand_lines_are_enqueued_quickly(deck: CommandLine) -> None:
    line = json.dumps({"kind": "shell", "args": {"command": ["true"]}}) + "\n"
    begin = time.monotonic()
    assert deck.done("enqueue", "--file", "-", input=line * 10_000).count("\n") == 10_000
    assert time.monotonic() - begin < 10


def test_a_command_runs_in_the_directory_of_the_caller(deck: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    typed_in = deck.folder / "there"
    typed_in.mkdir()
    monkeypatch.chdir(typed_in)
    deck.done("run", "--", "pwd")
    monkeypatch.chdir(deck.folder)
    deck.done("run", "--cwd", "there", "--env", "A=b=c", "--shell", "echo $A; pwd")
    deck.work()
    second, first = deck.json("list")
    assert first["stdout"] == str(typed_in)
    assert second["stdout"].split() == ["b=c", str(typed_in)]


def test_options_after_the_command_belong_to_the_command(deck: CommandLine) -> None:
    deck.done("run", "ls", "-l", "--json", "--queue", "x")
    deck.done("run", "--", "head", "-3", "--where", "a:b")
    deck.done("run", "head", "-3", "-tag:x")
    third, second, first = deck.json("list")
    assert first["args"]["command"] == ["ls", "-l", "--json", "--queue", "x"]
    assert second["args"]["command"] == ["head", "-3", "--where", "a:b"]
    assert third["args"]["command"] == ["head", "-3", "-tag:x"]


def test_a_time_of_day_means_its_next_occurrence() -> None:
    now = datetime.now().astimezone()
    soon, earlier = now + timedelta(minutes=2), now - timedelta(minutes=2)
    for moment in (soon, earlier):
        due = parse_time(moment.strftime("%H:%M:%S"))
        assert now.timestamp() < due <= now.timestamp() + 25 * 3600
        assert datetime.fromtimestamp(due).strftime("%H:%M:%S") == moment.strftime("%H:%M:%S")


def test_a_time_is_read_in_its_zone_or_in_the_local_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        read = {parse_time(text) for text in ("2026-01-31T12:00", "2026-01-31T17:00Z", "2026-01-31 18:00+01:00")}
    time.tzset()
    assert read == {datetime(2026, 1, 31, 17, tzinfo=UTC).timestamp()}


@pytest.mark.parametrize("text", ["", "soon", "25:00", "12:60", "2026-13-01", "0001-01-01"])
def test_an_invalid_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        parse_time(text)


def test_a_command_has_a_name_for_filters_and_lists(deck: CommandLine) -> None:
    deck.done("run", "--", "/bin/echo", "a")
    deck.done("run", "--name", "nightly", "--shell", "gzip -9 x")
    deck.done("enqueue", "--file", "-", input='{"kind": "shell", "args": {"command": ["true"]}, "name": "filed"}')
    filed, nightly, echo = deck.json("list")
    assert [(job["kind"], job["name"]) for job in (filed, nightly, echo)] == [
        *(("shell:filed", "filed"), ("shell:nightly", "nightly"), ("shell:echo", "echo"))
    ]
    assert [job["id"] for job in deck.json("list", "name:nightly")] == [nightly["id"]]
    assert re.search(r"2 +shell:nightly +default", deck.done("list"))
    assert "run --name nightly" in deck.json("show", "2")[0]["enqueue_command"]
    assert "--name" not in deck.json("show", "1")[0]["enqueue_command"]
    result = deck("--app", deck.tasks(), "enqueue", "tasks.send", "to=x", "--name", "x")
    assert result.exit_code == 2
    assert result.stderr == "jobdeck: The name is for commands, which are of kind shell; not for tasks.send.\n"


def test_a_schedule_names_its_command(deck: CommandLine) -> None:
    deck.done("schedule", "add", "a", "@daily", "--shell", "./x.sh", "--name", "mine")
    assert deck.json("schedule", "edit", "a", "--shell", "./y.sh")[0]["kind"] == "shell:mine"
    assert deck.json("schedule", "edit", "a", "--name", "yours")[0]["kind"] == "shell:yours"
    result = deck("--app", deck.tasks(), "schedule", "add", "b", "@daily", "tasks.add", "numbers=[]", "--name", "x")
    assert (result.exit_code, "--name requires a command" in result.stderr) == (2, True)


def test_a_command_runs_with_the_environment_of_its_caller_but_not_of_the_session(
    deck: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"COLOR": "blue", "PATH": f"/mine:{os.environ['PATH']}", "TMUX": "x", "SSH_TTY": "y", "X": "1"}.items():
        monkeypatch.setenv(name, value)
    script = "echo $COLOR.$TMUX.$SSH_TTY.$X.${PATH%%:*}.$WORKER.$JOBDECK_JOB_ID"
    deck.done("run", "--env", "X=2", "--shell", script)
    deck.done("run", "--clean-env", "--env", "COLOR", "--shell", script)
    monkeypatch.setenv("COLOR", "of the worker")
    monkeypatch.setenv("WORKER", "leaks")
    deck.work()
    assert deck.done("logs", 1) == "blue...2./mine..1\n"
    assert deck.done("logs", 2) == "blue..../mine..2\n"
    with deck.queue() as queue:
        queue.enqueue("shell", {"command": ["echo $WORKER"], "shell": True})
    deck.work()
    assert deck.done("logs", 3) == "leaks\n"  # a program that gives no environment takes that of the worker


def test_secrets_are_masked_unless_asked_for(deck: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "hidden1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://ann:hidden2@host/db")
    deck.done("run", "--env", "DB_PASSWORD=hidden3", "--in", "1h", "--", "true")
    deck.done("schedule", "add", "s", "@daily", "shell", "--args", '{"command": ["x"], "env": {"A_KEY": "hidden4"}}')
    screens = [("show", 1), ("show", 1, "--json"), ("list",), ("list", "--json"), ("schedule", "list", "--json"), ("why", 1)]
    screens += [("edit", 1, "--priority", 3, "--json"), ("cancel", 1, "--json"), ("events", "--json"), ("journal", "--json")]
    for words in screens:
        assert "hidden" not in deck.done(*words), words
    (job,) = deck.json("show", 1)
    assert job["args"]["env"] == {"DB_PASSWORD": "***"}
    assert (job["args"]["base_env"]["API_TOKEN"], job["args"]["base_env"]["DATABASE_URL"]) == (
        *("***", "postgresql://ann:***@host/db"),
    )
    assert "--env DB_PASSWORD " in job["enqueue_command"]
    assert deck.json("show", 1, "--secrets")[0]["args"]["env"] == {"DB_PASSWORD": "hidden3"}
    assert deck.json("list", "--secrets")[0]["args"]["base_env"]["API_TOKEN"] == "hidden1"
    assert "DB_PASSWORD=hidden3" in deck.done("show", 1, "--secrets")
    assert re.search(r"^carried +\d+ variables of the caller$", deck.done("show", 1), re.MULTILINE)


def test_what_a_mask_hides_is_neither_found_nor_enqueued_as_the_value(
    deck: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_PLACE", "needle")
    deck.done("run", "--", "haystack")
    assert [job["id"] for job in deck.json("list", "haystack")] == [1]
    assert deck.json("list", "needle") == []
    assert len(deck.json("list", str(deck.folder))) == 1  # its folder
    result = deck("enqueue", "shell", "--args", json.dumps({"command": ["x"], "env": {"A_TOKEN": "***"}}))
    assert (result.exit_code, "mask of a secret as the value of A_TOKEN" in result.stderr) == (1, True)


def test_an_environment_that_is_too_large_is_refused_with_the_way_out(
    deck: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARGE", "x" * 70_000)
    result = deck("run", "--", "true")
    assert result.exit_code == 1
    assert re.fullmatch(
        r"jobdeck: The command takes [\d,]+ bytes, more than JOBDECK_MAX_ARGS_BYTES allows \(65,536\), [\d,]+ of them for its"
        r" environment; --clean-env leaves that out\.\n",
        result.stderr,
    )
    deck.done("run", "--clean-env", "--", "true")
    assert deck("run", "--env", "NO_SUCH_ONE", "--", "true").exit_code == 2


def test_a_command_without_dashes_before_it_keeps_its_own_options(deck: CommandLine) -> None:
    deck.done("run", "gzip", "-9", "big.log", "-x")
    assert deck.json("list")[0]["args"]["command"] == ["gzip", "-9", "big.log", "-x"]
