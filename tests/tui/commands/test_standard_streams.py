"""Standard streams that are closed, full, or whose reader goes away: what a command did counts, and it prints no traceback."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest
from tests.tui.cli_runner import CommandLine, command

from jobdeck_tui.cli import COMMANDS
from jobdeck_tui.commands.standard_streams import CheckedStream

WAYS = (">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", ">/dev/full 2>/dev/full", "2>/dev/full", "| true", "2>&1 | true")
ARGUMENTS = {
    "backup": "copy.db --force", "batch": "1", "cancel": "1", "completion": "bash", "delete": "1 --yes",
    "edit": "1 --priority 3",
    "enqueue": "shell command='[\"true\"]'", "guide": "retries", "limit": "mail --running 3", "logs": "1", "pause": "mail",
    "priority": "3 1", "prune": "--older-than 1d --yes", "resume": "mail", "retry": "1", "run": "-- true", "schedule": "list",
    "show": "1", "stack": "1", "wait": "1 --timeout 10ms", "why": "1",
}  # fmt: skip


@pytest.fixture
def deck(tmp_path: Path) -> CommandLine:
    made = CommandLine(tmp_path)
    made.done("run", "--queue", "mail", "--", "true")
    return made


def jobdeck(deck: CommandLine, words: str, way: str) -> tuple[int, str]:
    """Run a command line in a shell with these redirections; return its exit code and its errors."""
    line = f'set -o pipefail; "$@" --db jobs.db {words} {way}'
    done = subprocess.run(
        ["bash", "-c", line, "bash", *command()], cwd=deck.folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, timeout=60
    )
    return done.returncode, done.stderr.decode()


def count(deck: CommandLine) -> int:
    with deck.queue() as queue:
        return queue.count()


def test_a_job_is_enqueued_once_by_a_script_that_retries_whatever_its_output_is(deck: CommandLine) -> None:
    for done, way in enumerate((">&-", "<&- >&- 2>&-", "2>/dev/full", "| true"), start=2):
        assert jobdeck(deck, "run -- true", way) == (0, "")
        assert count(deck) == done
    sentence = "jobdeck: The command succeeded, but its output could not be written: No space left on device.\n"
    assert jobdeck(deck, "run --json -- true", ">/dev/full") == (0, sentence)


def test_a_reading_command_whose_output_is_lost_fails_with_a_sentence(deck: CommandLine) -> None:
    sentence = "jobdeck: The output could not be written: No space left on device.\n"
    assert jobdeck(deck, "list", ">/dev/full") == (1, sentence)
    assert jobdeck(deck, "--snapshot", ">/dev/full") == (1, sentence)
    assert jobdeck(deck, "keys", ">/dev/full") == (1, sentence)  # longer than the buffer
    assert jobdeck(deck, "enqueue shell --file -", "<&-") == (
        1,
        "jobdeck: The system refused an operation: Bad file descriptor.\n",
    )


def test_a_pipe_that_does_not_block_gets_the_whole_output() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    data = b"x" * 1_000_000

    def write() -> None:
        with CheckedStream(writer, "w") as stream:
            stream.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    received = b""
    while part := os.read(reader, 1 << 16):
        received += part
    thread.join()
    os.close(reader)
    assert received == data


def test_a_command_that_changes_the_queue_continues_when_its_reader_goes_away() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with CheckedStream(writer, "w") as stream:
        with pytest.raises(BrokenPipeError):
            stream.write(b"x")
        stream.discards = True
        assert stream.write(b"more") == 4
        assert isinstance(stream.error, BrokenPipeError)


@pytest.mark.soak
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["--snapshot", *(each for each in COMMANDS if each not in ("demo", "worker", "undo", "redo"))])
def test_no_command_prints_a_traceback_or_blames_itself(deck: CommandLine, name: str, way: str) -> None:
    if name in ("wait", "logs", "stack", "batch", "retry"):
        deck.work()
    code, errors = jobdeck(deck, f"{name} {ARGUMENTS.get(name, '')}", way)
    assert code in (0, 1)
    assert len(errors.splitlines()) <= 1
    assert "bug in jobdeck" not in errors
    if way == ">&-":
        plain = jobdeck(deck, f"{name} {ARGUMENTS.get(name, '')}", "")
        assert (code, errors) == plain or name in ("delete", "cancel", "retry")  # not twice


@pytest.mark.soak
@pytest.mark.parametrize("way", ["<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_a_worker_without_streams_runs_jobs(deck: CommandLine, way: str) -> None:
    (deck.folder / "app.py").write_text("print('imported')\nimport sys\nprint('imported', file=sys.stderr, flush=True)\n")
    worker = subprocess.Popen(
        ["bash", "-c", f'exec "$@" --db jobs.db --app app.py worker {way}', "bash", *command()], cwd=deck.folder
    )
    try:
        assert jobdeck(deck, "wait 1 --timeout 60s", "")[0] == 0
    finally:
        worker.terminate()
        assert worker.wait(20) == 0
