"""Handlers that fork: the child never acts as the worker, can be terminated, and does not outlive the worker.

Each test starts one worker, as a user would, with all of the handlers in question beside many innocent jobs.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.tui.cli_runner import CommandLine, command, eventually
from tests.tui.pseudo_terminal import Screen

from jobdeck import Job, load_apps

KINDS = Path(__file__).with_name("forking_kinds.py")
NEIGHBORS = 400
WAYS = {"threads": [], "processes": ["--processes", "2"]}


Ran = tuple[CommandLine, dict[str, Job], str, str]
"""The folder, one finished job of each kind, what the worker printed, and what its jobs logged."""


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.setenv("NOTES", str(tmp_path))
    monkeypatch.setenv("JOBDECK_APP", str(KINDS))
    load_apps([str(KINDS)])
    return CommandLine(tmp_path)


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
        patch.delenv("PYTHONUNBUFFERED", raising=False)
        patch.setenv("JOBDECK_APP", str(KINDS))
        load_apps([str(KINDS)])
        with deck.queue() as queue:
            half = [queue.new_job("neighbor") for _ in range(NEIGHBORS // 2)]
            neighbors = queue.enqueue_many(half)
            made = {kind: queue.enqueue(kind) for kind in (*LEAVING, *TERMINATED)}
            neighbors += queue.enqueue_many(half)
            with (deck.folder / "printed").open("w") as file:  # a pipe that nobody reads would fill up
                words = command("--db", deck.where, "worker", "--threads", "4", "--grace", "4s", *WAYS[request.param])
                worker = subprocess.Popen(words, cwd=deck.folder, stdout=file, stderr=file)
            try:
                eventually(lambda: queue.count("state:completed,failed,cancelled") == queue.count(""), within=60)
                worker.terminate()
                worker.wait(timeout=15)
            finally:
                left = processes(deck)
                for pid in left:
                    os.kill(pid, 9)
            assert worker.returncode == 0
            printed = (deck.folder / "printed").read_text()
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
    assert (printed + logged).count("printed before the fork") == 3
    assert {job.progress for job in done.values()} <= {None, 1.0}


def test_a_forked_child_can_be_terminated(ran: Ran) -> None:
    _, done, printed, _ = ran
    assert results(done, TERMINATED) == TERMINATED
    assert "jobdeck/" not in printed


# -- as process 1 of a container -----------------------------------------------------------------------


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def container() -> list[str]:
    """Return the words that run a command as process 1 of a namespace of its own."""
    words = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    words = words if os.geteuid() == 0 else [*words, "--user", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the permission to create a process namespace")
    return words


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_process_1_reaps_orphans_passes_signals_on_and_takes_no_exit_code(
    deck: CommandLine, container: list[str], number: signal.Signals
) -> None:
    with deck.queue() as queue:
        made = queue.enqueue("orphans")
        words = [*container, *command("--db", deck.where, "worker", "--threads", "2")]
        outside = subprocess.Popen(words, cwd=deck.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            done = queue.wait(made.id, timeout=30)
            (init,) = children(outside.pid)
            inside = children(init)
            os.kill(inside[0] if number == signal.SIGKILL else init, number)
            printed, _ = outside.communicate(timeout=20)
        finally:
            outside.kill()
    assert done.result == {"zombies": 0, "codes": [3, 7], "pid": 2}, done.error
    assert len(inside) == 1
    assert outside.returncode == (0 if number == signal.SIGTERM else 137)
    assert ("SIGTERM received" in printed) == (number == signal.SIGTERM)


# -- what a worker leaves ------------------------------------------------------------------------------

SHELL = "setsid sleep 987 & nohup sleep 987 & (trap '' TERM; sleep 987) & touch $NOTES/shell; wait"


@pytest.fixture
def tidy(deck: CommandLine) -> Iterator[None]:
    yield
    for pid in processes(deck):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize("way", WAYS)
def test_nothing_that_a_job_has_started_outlives_a_killed_worker(deck: CommandLine, way: str) -> None:
    with deck.queue() as queue:
        queue.enqueue("shell", {"command": [SHELL], "shell": True})
        worker = deck.start("worker", "--threads", "8", *WAYS[way])
        try:
            for number, what in enumerate(("starts_commands", "iso.starts_commands", "starts_forks", "iso.starts_forks"), 1):
                queue.enqueue(what)
                eventually(lambda number=number: len(lines(deck, "holding")) == number)
            eventually((deck.folder / "shell").exists)
            assert len(processes(deck)) > 15
        finally:
            worker.kill()
        eventually(lambda: not processes(deck))
        worker.communicate()


@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_command_left_by_a_finished_job_survives_the_regular_end_of_the_worker_and_a_crash_if_not_marked(
    deck: CommandLine, number: signal.Signals
) -> None:
    with deck.queue() as queue:
        made = queue.enqueue("leaves")
        worker = deck.start("worker", stdin=subprocess.DEVNULL)
        queue.wait(made.id, timeout=30)
    marked, unmarked = map(int, lines(deck, "left"))
    worker.send_signal(number)
    worker.wait(timeout=10)
    kept = {unmarked} if number == signal.SIGKILL else {marked, unmarked}
    eventually(lambda: set(processes(deck)) == kept)


@pytest.mark.usefixtures("tidy")
def test_what_an_unfinished_job_has_started_does_not_outlive_a_worker_that_stops(deck: CommandLine) -> None:
    with deck.queue() as queue:
        worker = deck.start("worker", "--grace", "0.5s")
        for number, kind in enumerate(("starts_commands", "starts_forks"), 1):
            queue.enqueue(kind)
            eventually(lambda number=number: len(lines(deck, "holding")) == number)
        worker.terminate()
        printed = "".join(worker.communicate(timeout=20))
        eventually(lambda: not processes(deck))
        assert (worker.returncode, queue.count("state:pending")) == (0, 2), printed


@pytest.mark.usefixtures("tidy")
def test_in_the_cockpit_a_forked_child_can_be_terminated_and_nothing_outlives_a_kill(deck: CommandLine) -> None:
    with deck.queue() as queue:
        jobs = {kind: queue.enqueue(kind) for kind in ("kills_by_signal", "terminates", "returns")}
        screen = Screen(sys.executable, "-m", "jobdeck_tui", "--db", deck.where, "--threads", "2")
        try:
            done = {kind: queue.wait(job.id, timeout=40).result for kind, job in jobs.items()}
            assert done == {"kills_by_signal": [-15, 130, -1], "terminates": -15, "returns": 0}
            screen.see("LIVE")
            queue.enqueue("starts_commands")
            eventually(lambda: len(lines(deck, "holding")) == 1)
        finally:
            screen.process.kill()
        eventually(lambda: not processes(deck))
        screen.end()
