"""Test `jobdeck run --each`: one command for each line of standard input."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.tui.cli_runner import CommandLine, eventually

from jobdeck_tui.commands.line_input import CHUNK


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path)


def commands(deck: CommandLine) -> list[list[str]]:
    return [job["args"]["command"] for job in reversed(deck.json("list", "--limit", 0))]


def test_each_line_is_a_command(deck: CommandLine) -> None:
    assert deck.done("run", "--each", "--", "gzip", "-9f", "{}", input="a.log\n\nb c.log\n$(x)") == "1\n2\n3\n"
    assert commands(deck) == [["gzip", "-9f", "a.log"], ["gzip", "-9f", "b c.log"], ["gzip", "-9f", "$(x)"]]
    assert {job["kind"] for job in deck.json("list")} == {"shell:gzip"}


def test_lines_may_end_in_nul(deck: CommandLine) -> None:
    deck.done("run", "--each", "-0", "--", "cat", input="a\nb\0c d\0")
    assert commands(deck) == [["cat", "a\nb"], ["cat", "c d"]]


def test_the_options_of_a_job_are_those_of_each(deck: CommandLine) -> None:
    parent = deck.done("run", "--", "true").strip()
    words = ["--name", "pack", "--queue", "q", "--tag", "t", "--after", parent, "--cwd", "{//}", "--unique", "pack {/}"]
    assert deck.done("run", "--each", *words, "--", "tar", input="/x/a\ny/b\n/z/a\n") == "2\n3\n"
    first, second = deck.json("list", "state:waiting", "--reverse")
    assert (first["kind"], first["queue"], first["tags"], first["unique_key"]) == ("shell:pack", "q", ["t"], "pack a")
    assert [job["args"]["cwd"] for job in (first, second)] == ["/x", str(deck.folder / "y")]
    result = deck("run", "--each", "--unique", "pack {/}", "--", "tar", input="/other/b\n")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "jobdeck: 1 job not enqueued: unique key already taken; 0 jobs enqueued.\n"


def test_with_json_each_job_is_a_document(deck: CommandLine) -> None:
    printed = deck.done("--json", "run", "--each", "--", "cat", input="a\nb\n")
    assert [json.loads(line)["id"] for line in printed.splitlines()] == [1, 2]


def test_many_lines_become_one_batch(deck: CommandLine) -> None:
    lines = "".join(f"{n}\n" for n in range(CHUNK + 5))
    assert deck.done("run", "--each", "--batch", "many", "--clean-env", "--", "cat", input=lines) == "1\n"
    with deck.queue() as queue:
        batch = queue.batches.get(1)
    assert (batch.name, batch.total, batch.open) == ("many", CHUNK + 5, CHUNK + 5)


def test_waiting_prints_the_output_of_each_and_exits_with_success_only_if_all_completed(deck: CommandLine) -> None:
    worker = deck.start("worker", "--threads", "2")
    try:
        result = deck("run", "--each", "--wait", "--shell", "echo out {}; echo err {} >&2", input="a\nb c\n")
        assert (result.exit_code, sorted(result.stdout.splitlines())) == (0, ["out a", "out b c"])
        assert [line for line in sorted(result.stderr.splitlines()) if "worker" not in line] == ["err a", "err b c"]
        result = deck("run", "--each", "--wait", "--max-attempts", 1, "--", "sh", "-c", "exit {}", input="0\n3\n")
        assert (result.exit_code, "Job 4 failed: exit code 3" in result.stderr) == (1, True)
    finally:
        worker.terminate()
        worker.communicate()


def test_waiting_passes_on_the_output_of_each_as_it_was_written(deck: CommandLine) -> None:
    worker = deck.start("worker", "--threads", "1")
    try:
        script = r"printf '\033[31m%s' {}; head -c 200000 /dev/zero | tr '\0' x"
        result = deck("run", "--each", "--wait", "--shell", script, input="a\nb\n")
        assert result.stdout == "".join(f"\x1b[31m{word}{'x' * 200_000}" for word in "ab")
    finally:
        worker.terminate()
        worker.communicate()


def test_lines_are_enqueued_as_they_arrive(deck: CommandLine) -> None:
    process = deck.start("run", "--each", "--", "cat", stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write("a\nunfinished")
    process.stdin.flush()
    eventually(lambda: deck.database.exists() and commands(deck) == [["cat", "a"]])
    out, err = process.communicate(" b\n", timeout=20)
    assert (out, err, process.returncode) == ("1\n2\n", "", 0)
    assert commands(deck)[1] == ["cat", "unfinished b"]


def test_a_line_that_cannot_be_a_command_is_named(deck: CommandLine) -> None:
    result = deck("run", "--each", "--", "{}", "x", input=b"ok\n" + b"y" * 70_000 + b"\n")
    assert result.exit_code == 1
    assert result.stderr.startswith("jobdeck: Line 2: shell: the arguments take ")
    assert result.stderr.endswith("; 0 jobs enqueued before.\n")
    assert result.stderr.count("\n") == 1
    result = deck("run", "--each", "--", "x", input="")
    assert (result.exit_code, result.stderr) == (0, "jobdeck: No lines, so no jobs were enqueued.\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("-0", "--", "x"), "-0 requires --each"),
        (("--batch", "b", "--", "x"), "--batch requires --each"),
        (("--each", "--unique", "k", "--", "x"), "--unique needs a placeholder"),
    ],
)
def test_options_that_make_no_sense_are_refused(deck: CommandLine, words: tuple[str, ...], told: str) -> None:
    result = deck("run", *words, input="a\n")
    assert (result.exit_code, told in result.stderr) == (2, True)
