"""Real processes on one file: races, and crashes of every kind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import apsw
import pytest
from tests.core.helpers import wait_until

from jobdeck import Job, Outcome, Queue, Reason, Settings, State

APP = """
import os, pathlib, time
from jobdeck import context, job

@job(name="append")
def append(n: int) -> None:
    file = os.open(os.environ["RAN"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{n}\\n".encode())
    os.close(file)

@job(name="nap")
def nap(seconds: float) -> int:
    pathlib.Path(f"napping {seconds:g}").touch()
    time.sleep(seconds)
    return os.getpid()

@job(name="hold")
def hold() -> int:
    # The first attempt waits for a file; the others end at once.
    while context().attempt == 1 and not pathlib.Path("go on").exists():
        time.sleep(0.01)
    return os.getpid()

@job(name="die")
def die() -> None:
    append(-1)
    os.kill(os.getpid(), 9)
    time.sleep(60)  # the signal is on its way
"""
PROGRAM = """
import signal, sys, threading
import tasks
from jobdeck import CrashGuard, Queue, Worker
asked = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: asked.set())
guard = CrashGuard()
guard.start()
with Queue() as queue:
    worker = Worker(queue, threads=int(sys.argv[1]))
    worker.start()
    asked.wait()
    worker.stop()
guard.close()
"""

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tasks.py").write_text(APP)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("RAN", str(tmp_path / "ran"))
    monkeypatch.setenv("JOBDECK_DATABASE", str(tmp_path / "jobs.db"))
    monkeypatch.setenv("JOBDECK_LEASE", "1")
    monkeypatch.setenv("JOBDECK_SHUTDOWN_GRACE", "3")
    return tmp_path


@pytest.fixture
def queue(folder: Path) -> Iterator[Queue]:
    sys.modules.pop("tasks", None)
    __import__("tasks")
    with Queue(settings=Settings.load()) as opened:
        yield opened


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    processes: list[subprocess.Popen[bytes]] = []

    def begin(threads: int = 2) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", PROGRAM, str(threads)]
        process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
        processes.append(process)
        return process

    yield begin
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait()


def running(queue: Queue, job_id: int) -> bool:
    return queue.get(job_id).state is State.RUNNING


def started(folder: Path) -> list[int]:
    """Return the lines that the jobs have appended."""
    return [int(line) for line in (folder / "ran").read_text().split()]


def test_eight_processes_run_five_thousand_jobs_exactly_once(
    queue: Queue, start: Start, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No lease may expire here: if the disk stalls for longer than a lease, jobs rightly run again.
    monkeypatch.setenv("JOBDECK_LEASE", "60")
    queue.enqueue_many([queue.new_job("append", {"n": n}) for n in range(5000)])
    processes = [start() for _ in range(8)]
    wait_until(lambda: queue.count("state:completed") == 5000, timeout=90)
    for process in processes:
        process.terminate()
    assert [process.wait(timeout=15) for process in processes] == [0] * 8
    ran = started(folder)
    assert len(ran) == 5000
    assert set(ran) == set(range(5000))


def test_the_job_of_a_killed_worker_runs_again_and_the_attempt_counts_as_crashed(queue: Queue, start: Start) -> None:
    job = queue.enqueue("nap", {"seconds": 1.5})
    killed = start()
    wait_until(lambda: running(queue, job.id))
    killed.kill()
    other = start()
    done = queue.wait(job.id, timeout=20)
    assert (done.state, done.attempt, done.result) == (State.COMPLETED, 2, other.pid)
    assert [attempt.outcome for attempt in queue.attempts(job.id)] == [Outcome.CRASHED, Outcome.COMPLETED]


def test_a_job_that_kills_its_worker_starts_at_most_max_attempts_times(queue: Queue, start: Start, folder: Path) -> None:
    poison = queue.enqueue("die", max_attempts=2)
    while not queue.get(poison.id).state.is_final:
        process = start()
        wait_until(lambda process=process: process.poll() is not None or queue.get(poison.id).state.is_final, timeout=30)
    done = queue.get(poison.id)
    assert (done.state, done.attempt, done.reason) == (State.FAILED, 2, Reason.CRASHED)
    assert [attempt.outcome for attempt in queue.attempts(poison.id)] == [Outcome.CRASHED] * 2
    assert started(folder).count(-1) == 2
    assert queue.wait(queue.enqueue("append", {"n": 1}).id, timeout=20).state is State.COMPLETED


def test_sigterm_leaves_no_job_running(queue: Queue, start: Start, folder: Path) -> None:
    jobs = [queue.enqueue("nap", {"seconds": seconds}) for seconds in (0.5, 60, 60)]
    process = start()
    wait_until(lambda: running(queue, jobs[1].id) and (folder / "napping 0.5").exists())  # one only claimed is released
    process.terminate()
    assert process.wait(timeout=10) == 0
    states = [queue.get(job.id).state for job in jobs]
    assert states == [State.COMPLETED, State.PENDING, State.PENDING]
    assert [queue.get(job.id).attempt for job in jobs[1:]] == [0, 0]
    assert not queue.workers.list()


def test_prefetched_jobs_do_not_wait_behind_a_long_one(queue: Queue, start: Start, folder: Path) -> None:
    start(threads=1)
    history = queue.enqueue_many([queue.new_job("append", {"n": n}) for n in range(500)])
    assert queue.wait(history[-1].id, timeout=20).state is State.COMPLETED
    # Put short jobs first, so that the claim of the long one prefetches many jobs.
    short = [queue.new_job("append", {"n": n}) for n in range(80)]
    made = queue.enqueue_many([*short[:30], queue.new_job("hold"), *short[30:]])
    long, behind = made[30], made[31:]
    wait_until(lambda: running(queue, long.id))
    other = start(threads=1)
    try:
        wait_until(lambda: all(job.state is State.COMPLETED for job in map(queue.get, ids(behind))), what="the short jobs")
        assert running(queue, long.id)
    finally:
        (folder / "go on").touch()
    assert queue.wait(long.id, timeout=20).state is State.COMPLETED
    assert any(attempt.outcome is Outcome.RELEASED for job in behind for attempt in queue.attempts(job.id))
    assert {job.attempt for job in map(queue.get, ids(behind))} == {1}
    assert other.poll() is None


def ids(jobs: Sequence[Job]) -> list[int]:
    return [job.id for job in jobs]


def test_a_worker_stopped_past_its_lease_changes_nothing_when_it_continues(queue: Queue, start: Start, folder: Path) -> None:
    job = queue.enqueue("hold")
    zombie = start()
    wait_until(lambda: running(queue, job.id))
    stop_between_transactions(zombie, folder / "jobs.db")
    other = start()
    done = queue.wait(job.id, timeout=20)
    assert done.result == other.pid
    (folder / "go on").touch()
    zombie.send_signal(signal.SIGCONT)
    wait_until(lambda: any(attempt.late_at for attempt in queue.attempts(job.id)), timeout=20, what="the late result")
    after = queue.get(job.id)
    assert (after.result, after.attempt, after.finished_at) == (done.result, 2, done.finished_at)
    assert [(attempt.outcome, attempt.late_at is not None) for attempt in queue.attempts(job.id)] == [
        (Outcome.CRASHED, True), (Outcome.COMPLETED, False),
    ]  # fmt: skip


def stop_between_transactions(process: subprocess.Popen[bytes], database: Path) -> None:
    """Stop a process while it does not hold the write lock of the database, which would block all others too."""
    connection = apsw.Connection(str(database))

    def stopped() -> bool:
        process.send_signal(signal.SIGSTOP)
        assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
        try:
            connection.execute("BEGIN IMMEDIATE; ROLLBACK")
        except apsw.BusyError:
            process.send_signal(signal.SIGCONT)
            return False
        return True

    try:
        wait_until(stopped, what="a moment between two transactions")
    finally:
        connection.close()


def test_an_acknowledged_job_survives_the_death_of_its_program(queue: Queue, folder: Path) -> None:
    program = """
import os, tasks
from jobdeck import Queue
print(Queue().enqueue("append", {"n": 7}).id, flush=True)
os.kill(os.getpid(), 9)
"""
    died = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL
    assert queue.get(int(died.stdout)).args == {"n": 7}
    assert os.path.getsize(folder / "jobs.db") > 0


def test_a_command_does_not_outlive_its_worker_even_when_that_is_killed(queue: Queue, start: Start, folder: Path) -> None:
    note = folder / "pid"
    script = f'trap "" TERM; sleep 999 & echo $! > {note}; echo $$ >> {note}; wait'
    job = queue.enqueue("shell", {"command": [script], "shell": True}, max_attempts=1)
    killed = start()
    pids = wait_until(lambda: note.exists() and len(found := note.read_text().split()) == 2 and [int(pid) for pid in found])
    killed.kill()
    wait_until(lambda: not any(_executes(pid) for pid in pids), what="the end of the command")
    start()
    assert queue.wait(job.id, timeout=20).state is State.FAILED


def _executes(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
