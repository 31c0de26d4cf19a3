"""Test the command line in general: help, options, exit codes, and imports."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.tui.cli_runner import CommandLine, command

import jobdeck
from jobdeck import Queue
from jobdeck_tui.cli import COMMANDS, cli


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_of_itself(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    _, examples = result.stdout.split("Examples:", 1)
    assert re.search(rf"jobdeck .*\b{name}\b|JOBDECK_\w+=\S+ jobdeck {name}\b", examples)
    for line in result.stdout.splitlines():
        assert len(line) <= 110


@pytest.mark.parametrize("name", COMMANDS)
def test_every_listed_command_exists_under_its_name(name: str) -> None:
    command_ = cli.get_command(None, name)  # type: ignore[arg-type]
    assert command_ is not None
    assert command_.name == name


def test_the_help_lists_every_command_and_the_variable_of_every_setting_option() -> None:
    shown = CliRunner().invoke(cli, ["-h"]).stdout
    for name, (_, short) in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(short)}$", shown, re.MULTILINE)
    for variable in ("JOBDECK_DATABASE", "JOBDECK_APP", "JOBDECK_THREADS"):
        assert variable in shown


def _imported(*args: str, folder: Path) -> set[str]:
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('\\n'.join(sys.modules), file=open('modules.txt', 'w')))\n"
        "from jobdeck_tui.cli import main\n"
        "main()"
    )
    subprocess.run([sys.executable, "-c", code, *args], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return set((folder / "modules.txt").read_text().split())


HEAVY = {"textual", "rich", "pydantic", "asyncio", "importlib.metadata", "opentelemetry", "jobdeck.tracing.spans"}


def test_help_imports_no_screen_no_validation_library_and_no_engine(tmp_path: Path) -> None:
    assert not _imported("--help", folder=tmp_path) & {*HEAVY, "apsw", "jobdeck.queue", "jobdeck_tui.commands.list_jobs"}


@pytest.mark.parametrize("words", [("list",), ("stats",), ("run", "--", "true"), ("enqueue", "shell", 'command=["true"]')])
def test_reading_and_enqueueing_import_no_heavy_module(words: tuple[str, ...], tmp_path: Path) -> None:
    Queue(tmp_path / "jobs.db").close()
    found = _imported("--db", "jobs.db", *words, folder=tmp_path)
    assert "apsw" in found
    assert not found & HEAVY


def test_an_enqueue_loads_few_modules_generates_few_methods_and_collects_no_garbage(tmp_path: Path) -> None:
    """Shell loops enqueue with one process a job: these counts are the time that it takes to start, on any machine."""
    Queue(tmp_path / "jobs.db").close()
    code = """
import atexit, builtins, gc, json, sys
execute, generated, collected = exec, [], []
def count(text, *names):
    if isinstance(text, str):
        generated.append(text)
    return execute(text, *names)
builtins.exec = count
def write():
    own = sum(name.partition(".")[0] in ("jobdeck", "jobdeck_tui") for name in sys.modules)
    json.dump([own, len(sys.modules), len(generated), len(collected)], open("counts.json", "w"))
atexit.register(write)
from jobdeck_tui.cli import main
gc.callbacks.append(lambda phase, info: collected.append(phase))
main()
"""
    words = ("--db", "jobs.db", "enqueue", "shell", 'command=["true"]')
    subprocess.run([sys.executable, "-c", code, *words], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    own, modules, generated, collected = json.loads((tmp_path / "counts.json").read_text())
    assert own <= 98
    assert modules <= 235
    assert generated <= 22
    assert collected == 0


def test_version_prints_the_version_of_the_package() -> None:
    assert CliRunner().invoke(cli, ["--version"]).stdout == f"jobdeck {jobdeck.__version__}\n"


def test_common_options_may_precede_or_follow_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = CliRunner().invoke(cli, ["--db", "a.db", "--json", "run", "--", "true"])
    after = CliRunner().invoke(cli, ["list", "--db", "a.db", "--json"])
    url = CliRunner().invoke(cli, ["list", "--db", "sqlite:///a.db", "--json"])
    variable = CliRunner().invoke(cli, ["list", "--json"], env={"JOBDECK_DATABASE": "a.db"})
    assert before.stdout.startswith('{"id":1,')
    assert after.stdout == url.stdout == variable.stdout
    assert after.stdout.startswith('{"id":1,')


def test_options_after_the_command_override_those_before_it(deck: CommandLine) -> None:
    deck.done("run", "--", "true")
    Queue(deck.folder / "other.db").close()
    assert deck.done("list", "--db", deck.folder / "other.db") == ""


@pytest.mark.parametrize(
    "words",
    [
        ("nosuch",),
        ("list", "--nosuch"),
        ("list", "nosuch:1"),
        ("list", "state:nosuch"),
        ("show", "x"),
        ("show", "0"),
        ("show", str(1 << 63)),
        ("run",),
        ("enqueue",),
        ("enqueue", "shell", "command"),
        ("run", "--in", "soon", "--", "true"),
        ("run", "--at", "soon", "--", "true"),
        ("run", "--priority", "99999999", "--", "true"),
        ("run", "--env", "X", "--", "true"),
        ("cancel",),
        ("cancel", "1", "--where", "state:failed"),
        ("delete", "--where", " "),
        ("priority", "high", "1"),
        ("stats", "--over", "1s"),
        ("completion", "tcsh"),
        ("--readonly", "run", "--", "true"),
    ],
)
def test_wrong_usage_exits_with_2_and_an_error(deck: CommandLine, words: tuple[str, ...]) -> None:
    deck.queue().close()
    result = deck(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("jobdeck: ")
    assert "Traceback" not in result.stderr


def test_an_invalid_setting_is_named_in_the_error() -> None:
    result = CliRunner().invoke(cli, ["list"], env={"JOBDECK_LEASE": "soon"})
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "JOBDECK_LEASE" in result.stderr


def test_an_internal_error_is_one_sentence_with_a_traceback_on_request(
    deck: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("jobdeck_tui.commands.common.CliContext.open", broken)
    result = deck("list")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "ZeroDivisionError" in result.stderr
    assert isinstance(deck("list", env={"JOBDECK_LOG_LEVEL": "DEBUG"}).exception, ZeroDivisionError)


@pytest.mark.parametrize(
    "error", [OSError(24, "Too many open files"), MemoryError(), RuntimeError("can't start new thread"), ImportError("no apsw")]
)
def test_what_the_system_refuses_is_one_sentence_and_no_bug(
    deck: CommandLine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("jobdeck_tui.commands.common.CliContext.open", refused)
    result = deck("list")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "bug" not in result.stderr


@pytest.mark.parametrize("limit", ["RLIMIT_FSIZE", "RLIMIT_NOFILE"])
def test_a_process_without_files_ends_with_a_sentence(deck: CommandLine, limit: str) -> None:
    Queue(deck.database).close()
    bounded = f"import resource; resource.setrlimit(resource.{limit}, ({0 if limit == 'RLIMIT_FSIZE' else 5},) * 2); "
    words = command("--db", str(deck.database), "run", "--", "true")
    words[2] = "from jobdeck_tui.cli import main; import tempfile, jobdeck.queue; " + bounded + "main()"
    process = subprocess.run(words, capture_output=True, text=True, cwd=deck.folder)
    assert process.returncode == 1
    assert process.stderr.startswith("jobdeck: ")
    assert process.stderr.count("\n") == 1
    assert "bug" not in process.stderr


def test_an_interrupt_is_quiet(deck: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("jobdeck_tui.commands.common.CliContext.open", interrupted)
    result = deck("list")
    assert (result.exit_code, result.output) == (130, "")


def test_a_closed_pipe_is_not_an_error(deck: CommandLine) -> None:
    for _ in range(3):
        deck.done("run", "--", "echo", "x" * 40_000)
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        command("--db", str(deck.database), "list", "--json"), stdout=writer, stderr=subprocess.PIPE, cwd=deck.folder
    )
    os.close(writer)
    assert process.stderr == b""


def test_the_cockpit_is_refused_without_a_terminal(deck: CommandLine) -> None:
    for words in ((), ("demo",)):
        result = deck(*words)
        assert result.exit_code == 1
        assert "needs a terminal" in result.stderr


def test_output_has_no_color_and_no_glyphs_without_a_terminal(deck: CommandLine) -> None:
    deck.done("run", "--", "true")
    shown = deck.done("list")
    assert "\x1b" not in shown
    assert shown.splitlines()[1].split()[0] == "pending"
