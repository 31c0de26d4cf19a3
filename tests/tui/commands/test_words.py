"""What the commands say of mistyped words, and what they accept of what people write."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from pathlib import Path

import pytest
from tests.tui.cli_runner import CommandLine

from jobdeck import AppImportError, load_apps


@pytest.fixture
def deck(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("lst", "No such command 'lst'; did you mean list?"),
        ("ls", "No such command 'ls'; did you mean list?"),
        ("status", "No such command 'status'; did you mean stats?"),
        ("schedule rm", "No such command 'rm'; did you mean delete?"),
        ("schedule lits", "No such command 'lits'; did you mean list?"),
        ("xyzzy", "No such command 'xyzzy'."),
        ("show abc", "Invalid value for 'ID': 'abc' is not the id of a job, a whole number such as 42"),
        ("cancel 1 x2", "'x2' is not the id of a job, a whole number such as 42"),
        ("batch first", "'first' is not the id of a batch, a whole number such as 7"),
        ("undo last", "'last' is not the number of a journal entry such as 12"),
        ("run --after x -- true", "'x' is not the id of a job, a whole number such as 42"),
        ("list --limit many", "'many' is not a whole number, 0 or more"),
        ("list --limit -1", "'-1' is not a whole number, 0 or more"),
        ("--threads 5000 list", "'5000' is not a whole number from 0 to 1000"),
        ("--snapshot --screen quees", "unknown screen 'quees'; did you mean queues?"),
    ],
)
def test_a_mistyped_word_is_answered_with_what_is_meant(deck: CommandLine, words: str, said: str) -> None:
    deck.done("run", "--", "true")
    result = deck(*words.split())
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_mistyped_kind_and_argument_are_answered_with_what_is_meant(deck: CommandLine) -> None:
    result = deck("enqueue", "shel")
    assert (result.exit_code, "; did you mean shell?" in result.stderr) == (1, True)
    result = deck("enqueue", "shell", "comand=ls")
    assert result.stderr == "jobdeck: shell: argument 'comand' is unknown to this kind; did you mean command?\n"


@pytest.mark.parametrize("start", [BOM_UTF8, BOM_UTF8 + b"\n", b""])
def test_a_byte_order_mark_in_a_job_file_is_skipped(deck: CommandLine, tmp_path: Path, start: bytes) -> None:
    line = b'{"kind": "shell", "args": {"command": ["true"]}}\n'
    (tmp_path / "jobs.jsonl").write_bytes(start + line * 2)
    assert deck.done("enqueue", "--file", str(tmp_path / "jobs.jsonl")).split() == ["1", "2"]
    assert deck.done("enqueue", "--file", "-", input=start + line).split() == ["3"]


def test_a_job_file_in_another_encoding_or_with_an_unknown_field_is_refused_in_words(deck: CommandLine) -> None:
    text = '{"kind": "shell"}'
    result = deck("enqueue", "--file", "-", input=text.encode("utf-16"))
    assert result.stderr == (
        "jobdeck: standard input, line 1: the file is UTF-16 text; save it as UTF-8; nothing was enqueued.\n"
    )
    result = deck("enqueue", "--file", "-", input='{"kind": "shell", "arg": {}}')
    assert result.stderr == "jobdeck: standard input, line 1: unknown field 'arg'; did you mean args? Nothing was enqueued.\n"


def test_durations_of_settings_take_units(deck: CommandLine) -> None:
    deck.done("run", "--", "true", env={"JOBDECK_TIMEOUT": "1m30s", "JOBDECK_RETENTION": "7d"})
    assert json.loads(deck.done("list", "--json"))["timeout"] == 90
    result = deck("list", env={"JOBDECK_TIMEOUT": "soon"})
    assert result.stderr == (
        "jobdeck: Invalid setting JOBDECK_TIMEOUT='soon': must be a duration such as 90s, 15m, 1h or 7d,"
        " or a number of seconds.\n"
    )


def test_a_mistyped_setting_is_named_once(deck: CommandLine, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        deck.done("run", "--", "true", env={"JOBDECK_RETENTON": "7d", "JOBDECK_MY_OWN": "x", "JOBDECK_JOB_ID": "7"})
    assert [each for each in caplog.messages if "no setting" in each] == [
        "JOBDECK_RETENTON is no setting of jobdeck, and has no effect; did you mean JOBDECK_RETENTION?"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "import os\n\ndef f():\n    missing\nf()\n",
            r"raised NameError: name 'missing' is not defined \(broken\.py, line 4\)\.$",
        ),
        ("def f(:\n", r"raised SyntaxError: invalid syntax \(broken\.py, line 1\)\.$"),
        ("\nimport no_such_module\n", r"imports 'no_such_module', which is not installed \(broken\.py, line 2\)\.$"),
        ("import json\njson.loads('{')\n", r"raised JSONDecodeError: .* \(broken\.py, line 2\)\.$"),
        ("raise SystemExit(3)\n", r"exits the program \(SystemExit: 3\) \(broken\.py, line 1\)\.$"),
        ("from jobdeck import job\n\n@job(nonsense=-1)\ndef f(): ...\n", r"raised \w+: .*[^.] \(broken\.py, line 3\)\.$"),
    ],
)
def test_an_app_that_fails_to_import_is_named_with_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    (tmp_path / "broken.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AppImportError, match=said):
        load_apps(["./broken.py"])
