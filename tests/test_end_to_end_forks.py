"""Handlers that fork: the child never acts as the worker, can be terminated, and does not outlive the worker.

Each test starts one worker, as a user would, with all of the handlers in question beside many innocent jobs.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.tui.cli_runner import CommandLine, eventually

from jobdeck import Job, load_apps

KINDS = Path(__file__).with_name("forking_kinds.py")
NEIGHBORS = 400
WAYS = {"threads": [], "processes": ["--processes", "2"]}


Ran = tuple[CommandLine, dict[str, Job], str, str]
"""The folder, one finished job of each kind, what the worker printed, and what its jobs logged."""


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


def everywhere(expected: dict[str, object]) -> dict[str, object]:
    return {f"{where}{kind}": result for kind, result in expected.items() for where in ("", "iso.", "async.")}


LEAVING = everywhere(
    {
        "returns": 0,
        "raises": 1,
        "exits": 3,
        "interrupted": 1,
        "forks_twice": 0,
        "talks": 0,
        "threads": 0,
        "encodes": {"a": 1},
    }
) | {"async.awaits": 1, "async.task": "exit code 1"}
TERMINATED = everywhere(
    {
        "terminates": -15,
        "pools": [0, 2, 4, 6],
        "executes": [0, 2, 4, 6],
        "kills_by_signal": [-15, 130, -1],
        "keeps_own_handler": 42,
    }
)


@pytest.fixture(scope="module", params=WAYS)
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """Run one job of each kind between innocent ones, and stop the worker."""
    deck = CommandLine(tmp_path_factory.mktemp("forks"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOTES", str(deck.folder))
        patch.setenv("JOBDECK_APP", str(KINDS))
        load_apps([str(KINDS)])
        with deck.queue() as queue:
            half = [queue.new_job("neighbor") for _ in range(NEIGHBORS // 2)]
            neighbors = queue.enqueue_many(half)
            made = {kind: queue.enqueue(kind) for kind in (*LEAVING, *TERMINATED)}
            neighbors += queue.enqueue_many(half)
            worker = deck.start("worker", "--threads", "4", "--grace", "4s", *WAYS[request.param])
            try:
                eventually(lambda: queue.count("state:completed,failed,cancelled") == queue.count(""), within=60)
                worker.terminate()
                printed = "".join(worker.communicate(timeout=15))
            finally:
                left = processes(deck)
                for pid in left:
                    os.kill(pid, 9)
            assert worker.returncode == 0
            assert Counter(lines(deck, "ran")) == Counter(str(job.id) for job in neighbors)
            assert not left
            done = {kind: queue.get(job.id) for kind, job in made.items()}
            logged = "".join(line.text + "\n" for job in done.values() for line in queue.logs(job.id))
            yield deck, done, printed, logged


def results(done: dict[str, Job], expected: dict[str, object]) -> dict[str, object]:
    return {kind: done[kind].result if done[kind].error is None else done[kind].error for kind in expected}


def test_a_forked_child_that_leaves_its_handler_exits_and_runs_no_job(ran: Ran) -> None:
    deck, done, printed, logged = ran
    assert results(done, LEAVING) == LEAVING
    assert not lines(deck, "awaited")
    assert len(lines(deck, "resumed")) == 1
    assert "jobdeck/" not in printed  # no traceback of its own
    # What a child says is not lost: it is in the log of the worker, or of its isolated job.
    for said in ("ValueError: of the child", "printed by the child", "logged by the child", "told by the child"):
        assert (printed + logged).count(said) >= 3, said
    assert {job.progress for job in done.values()} <= {None, 1.0}


def test_a_forked_child_can_be_terminated(ran: Ran) -> None:
    _, done, printed, _ = ran
    assert results(done, TERMINATED) == TERMINATED
    assert "jobdeck/" not in printed
