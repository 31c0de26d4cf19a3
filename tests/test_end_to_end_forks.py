"""Handlers that fork: the child never acts as the worker, can be terminated, and does not outlive the worker.

Each test starts one worker, as a user would, with all of the handlers in question beside many innocent jobs.
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.tui.cli_runner import CommandLine, eventually

from jobdeck import FINAL, Job, Queue

KINDS = Path(__file__).with_name("forking_kinds.py")
NEIGHBORS = 400
WAYS = {"threads": [], "processes": ["--processes", "2"]}


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.setenv("NOTES", str(tmp_path))
    monkeypatch.setenv("JOBDECK_APP", str(KINDS))
    return CommandLine(tmp_path)


@pytest.fixture
def queue(deck: CommandLine) -> Iterator[Queue]:
    from jobdeck import load_apps

    load_apps([str(KINDS)])
    with deck.queue() as opened:
        yield opened


def lines(deck: CommandLine, name: str) -> list[str]:
    path = deck.folder / name
    return path.read_text().split() if path.exists() else []


def processes(deck: CommandLine) -> dict[int, str]:
    """Return the processes that belong to a worker of this test, by process id."""
    mark = f"NOTES={deck.folder}".encode()
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if int(entry.name) != os.getpid() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def run(deck: CommandLine, queue: Queue, kinds: list[str], *options: str) -> tuple[dict[str, Job], str, bool]:
    """Run one job of each kind between the innocent ones; return the jobs, the worker's log, and whether it exited in time."""
    half = [queue.new_job("neighbor") for _ in range(NEIGHBORS // 2)]
    neighbors = queue.enqueue_many(half)
    made = {kind: queue.enqueue(kind) for kind in kinds}
    neighbors += queue.enqueue_many(half)
    worker = deck.start("worker", "--threads", "2", "--grace", "4s", *options)
    try:
        eventually(lambda: queue.count("state:completed,failed,cancelled") == queue.count(""), within=30)
    finally:
        worker.terminate()
        try:
            log = "".join(worker.communicate(timeout=10))
            in_time = worker.returncode == 0
        except subprocess.TimeoutExpired:
            in_time, log = False, ""
        left = processes(deck)
        for pid in left:
            os.kill(pid, 9)
        if not in_time:
            worker.kill()
            log = "".join(worker.communicate())
    assert Counter(lines(deck, "ran")) == Counter(str(job.id) for job in neighbors)
    assert not left
    done = {kind: queue.get(job.id) for kind, job in made.items()}
    assert all(job.state in FINAL for job in done.values())
    return done, log, in_time


LEAVING = {
    "returns": 0,
    "raises": 1,
    "exits": 3,
    "interrupted": 1,
    "forks_twice": 0,
    "talks": 0,
    "threads": 0,
    "encodes": {"a": 1},
}
TERMINATED = {
    "terminates": -15,
    "pools": [0, 2, 4, 6],
    "executes": [0, 2, 4, 6],
    "kills_by_signal": [-15, 130, -1],
    "keeps_own_handler": 42,
}


def everywhere(expected: dict[str, object]) -> dict[str, object]:
    return {f"{where}{kind}": result for kind, result in expected.items() for where in ("", "iso.", "async.")}


@pytest.mark.parametrize("way", WAYS)
def test_a_forked_child_that_leaves_its_handler_exits_and_runs_no_job(deck: CommandLine, queue: Queue, way: str) -> None:
    expected = everywhere(dict(LEAVING)) | {"async.awaits": 1, "async.task": "exit code 1"}
    done, log, in_time = run(deck, queue, [*expected], *WAYS[way])
    assert {kind: job.result if job.error is None else job.error for kind, job in done.items()} == expected
    assert in_time
    assert not lines(deck, "awaited")
    assert len(lines(deck, "resumed")) == 1
    assert "jobdeck/" not in log  # no traceback of its own
    # What a child says is not lost: it is in the log of the worker, or of its isolated job.
    text = log + "".join(line.text + "\n" for job in done.values() for line in queue.logs(job.id))
    for said in ("ValueError: of the child", "printed by the child", "logged by the child", "told by the child"):
        assert text.count(said) >= 3, said
    assert {job.progress for job in done.values()} <= {None, 1.0}
