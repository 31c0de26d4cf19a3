"""The worker with real threads: the state of a job for every way that its code can finish."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.core.helpers import wait_until

from jobdeck import GiveUp, Job, Outcome, Queue, Registry, Settings, Snooze, State, StoreBusy, Worker, context
from jobdeck.kinds.registry import job
from jobdeck.maintenance.loop import MaintenanceLoop


@pytest.fixture
def kinds() -> Registry:
    return Registry()


@pytest.fixture
def queue(address: str, kinds: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setattr("jobdeck.execution.executor.compute_delay", lambda attempt, random: 0.02)
    monkeypatch.setattr("jobdeck.execution.context.STOP_GRACE", 0.5)
    settings = Settings(database=address, synchronous="OFF", lease=5.0)
    with Queue(settings=settings, registry=kinds) as opened:
        yield opened


def finish(queue: Queue, *made: Job, threads: int = 2, timeout: float = 15.0) -> list[Job]:
    """Run a worker until these jobs are final."""
    with Worker(queue, threads=threads):
        return [queue.wait(each.id, timeout=timeout, every=0.01) for each in made]


def outcomes(queue: Queue, job_id: int) -> list[Outcome | None]:
    return [attempt.outcome for attempt in queue.attempts(job_id)]


def wal_path(queue: Queue, job_id: int) -> list[tuple[str, str]]:
    return [(line.level, line.text) for line in queue.logs(job_id)]


def test_a_result_is_stored(queue: Queue, kinds: Registry) -> None:
    @job(name="sum", registry=kinds)
    def add(a: int, b: int) -> dict[str, int]:
        return {"sum": a + b}

    (done,) = finish(queue, queue.enqueue("sum", {"a": 2, "b": 3}))
    assert (done.state, done.result, done.attempt) == (State.COMPLETED, {"sum": 5}, 1)


def test_a_result_that_is_not_json_is_dropped_with_a_warning_and_the_job_completes(queue: Queue, kinds: Registry) -> None:
    @job(name="odd", registry=kinds)
    def odd() -> object:
        return object()

    (done,) = finish(queue, queue.enqueue("odd"))
    assert (done.state, done.result) == (State.COMPLETED, None)
    assert any(level == "warning" and "result was not stored" in text for level, text in wal_path(queue, done.id))


def test_a_flaky_job_is_retried_until_it_succeeds(queue: Queue, kinds: Registry) -> None:
    @job(name="flaky", max_attempts=5, registry=kinds)
    def flaky() -> int:
        if context().attempt < 3:
            raise ConnectionResetError("by peer")
        return context().attempt

    (done,) = finish(queue, queue.enqueue("flaky"))
    assert (done.state, done.result, done.attempt) == (State.COMPLETED, 3, 3)
    assert outcomes(queue, done.id) == [Outcome.FAILED, Outcome.FAILED, Outcome.COMPLETED]


def test_a_doomed_job_fails_after_its_attempts_with_its_error_and_traceback(queue: Queue, kinds: Registry) -> None:
    starts: list[int] = []

    @job(name="doomed", max_attempts=3, registry=kinds)
    def doomed() -> None:
        starts.append(context().attempt)
        raise ValueError("no such account")

    (done,) = finish(queue, queue.enqueue("doomed"))
    assert (done.state, done.error, starts) == (State.FAILED, "ValueError: no such account", [1, 2, 3])
    traceback = queue.attempts(done.id)[-1].traceback
    assert traceback is not None
    assert "in doomed" in traceback
    assert "jobdeck/attempt.py" not in traceback


def test_giving_up_fails_at_once_and_snoozing_uses_up_no_attempt(queue: Queue, kinds: Registry) -> None:
    naps: list[int] = []

    @job(name="hopeless", max_attempts=5, registry=kinds)
    def hopeless() -> None:
        raise GiveUp("the card was stolen")

    @job(name="sleepy", max_attempts=1, registry=kinds)
    def sleepy() -> None:
        naps.append(context().attempt)
        if len(naps) < 3:
            raise Snooze(0.01)

    given_up, slept = finish(queue, queue.enqueue("hopeless"), queue.enqueue("sleepy"))
    assert (given_up.state, given_up.attempt, given_up.error) == (State.FAILED, 1, "GiveUp: the card was stolen")
    assert (slept.state, slept.attempt, naps) == (State.COMPLETED, 1, [1, 1, 1])


def test_a_handler_that_calls_sys_exit_ends_its_attempt_and_not_the_worker(queue: Queue, kinds: Registry) -> None:
    @job(name="leave", max_attempts=1, registry=kinds)
    def leave() -> None:
        raise SystemExit(3)

    @job(name="fine", registry=kinds)
    def fine() -> None:
        return None

    left, done = finish(queue, queue.enqueue("leave"), queue.enqueue("fine"), threads=1)
    assert (left.state, left.error, done.state) == (State.FAILED, "SystemExit: 3", State.COMPLETED)


def test_records_logged_by_a_handler_are_the_log_of_its_attempt(queue: Queue, kinds: Registry) -> None:
    @job(name="talk", max_attempts=2, registry=kinds)
    def talk() -> None:
        logging.getLogger("shop.mail").warning("attempt %d", context().attempt)
        context().log.debug("in detail")
        if context().attempt == 1:
            raise ValueError("once")

    (done,) = finish(queue, queue.enqueue("talk"))
    assert [(line.attempt, line.level, line.text) for line in queue.logs(done.id)] == [
        (1, "warning", "attempt 1"), (1, "debug", "in detail"), (2, "warning", "attempt 2"), (2, "debug", "in detail"),
    ]  # fmt: skip


def test_progress_is_seen_while_the_job_runs(queue: Queue, kinds: Registry) -> None:
    go_on = threading.Event()

    @job(name="long", registry=kinds)
    def long() -> None:
        context().progress(0.25, "frame 2\n of 8")
        go_on.wait(10)
        context().progress(0.75, "frame 6 of 8")
        raise GiveUp("no more frames")

    made = queue.enqueue("long")
    with Worker(queue, threads=1):
        wait_until(lambda: queue.get(made.id).progress == 0.25)
        assert queue.get(made.id).progress_message == "frame 2 of 8"
        go_on.set()
        done = queue.wait(made.id, timeout=10)
    # The last report of the attempt says how far it got, however soon the attempt ended.
    assert (done.state, done.progress, done.progress_message) == (State.FAILED, 0.75, "frame 6 of 8")


def test_one_thread_takes_the_highest_priority_and_then_the_oldest(queue: Queue, kinds: Registry) -> None:
    ran: list[int] = []

    @job(name="note", registry=kinds)
    def note(n: int) -> None:
        ran.append(n)

    made = [queue.enqueue("note", {"n": n}, priority=priority) for n, priority in enumerate([0, 5, 0, 9, 5])]
    finish(queue, *made, threads=1)
    assert ran == [3, 1, 4, 0, 2]


def test_a_cancelled_running_job_becomes_cancelled_when_its_code_has_stopped(queue: Queue, kinds: Registry) -> None:
    begun, stopped = threading.Event(), threading.Event()

    @job(name="loop", registry=kinds)
    def loop() -> None:
        begun.set()
        try:
            while True:
                context().sleep(0.02)
        finally:
            stopped.set()

    made = queue.enqueue("loop")
    with Worker(queue, threads=1):
        assert begun.wait(10)
        asked = queue.cancel(made.id)
        assert asked.cancelling or asked.state is State.CANCELLED  # its code may have stopped already
        done = queue.wait(made.id, timeout=10)
        assert (done.state, stopped.is_set()) == (State.CANCELLED, True)
    assert outcomes(queue, made.id) == [Outcome.CANCELLED]


def test_an_attempt_that_checks_itself_ends_at_its_timeout(queue: Queue, kinds: Registry) -> None:
    @job(name="slow", timeout=0.1, max_attempts=1, registry=kinds)
    def slow() -> None:
        while True:
            context().sleep(0.02)

    (done,) = finish(queue, queue.enqueue("slow"))
    assert (done.state, outcomes(queue, done.id)) == (State.FAILED, [Outcome.TIMED_OUT])


def test_stopping_lets_running_jobs_finish_and_claims_no_more(queue: Queue, kinds: Registry) -> None:
    begun, go_on = threading.Event(), threading.Event()

    @job(name="hold", registry=kinds)
    def hold() -> str:
        begun.set()
        assert go_on.wait(10)
        return "done"

    first, second = queue.enqueue("hold"), queue.enqueue("hold")
    worker = Worker(queue, threads=1)
    worker.start()
    assert begun.wait(10)
    ended: list[bool] = []
    stopping = threading.Thread(target=lambda: ended.append(worker.stop(grace=10)))
    stopping.start()
    wait_until(lambda: queue.workers.list()[0].draining)
    go_on.set()
    stopping.join(timeout=10)
    assert ended == [True]
    assert (queue.get(first.id).state, queue.get(second.id).state) == (State.COMPLETED, State.PENDING)
    assert not queue.workers.list()


def test_a_job_that_does_not_finish_within_the_grace_is_released_with_its_attempt(queue: Queue, kinds: Registry) -> None:
    begun, go_on = threading.Event(), threading.Event()

    @job(name="deaf", registry=kinds)
    def deaf() -> None:
        begun.set()
        go_on.wait(30)

    made = queue.enqueue("deaf")
    worker = Worker(queue, threads=1)
    worker.start()
    assert begun.wait(10)
    begin = time.monotonic()
    assert worker.stop(grace=0.4) is False
    assert time.monotonic() - begin < 3
    go_on.set()
    back = queue.get(made.id)
    assert (back.state, back.attempt, outcomes(queue, made.id)) == (State.PENDING, 0, [Outcome.RELEASED])
    assert all(attempt.late_at is None for attempt in queue.attempts(made.id))


def test_the_number_of_threads_grows_and_shrinks_under_load(queue: Queue, kinds: Registry) -> None:
    lock, inside, most = threading.Lock(), 0, 0
    gate = threading.Semaphore(0)

    @job(name="count", registry=kinds)
    def count() -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        gate.acquire(timeout=10)
        with lock:
            inside -= 1

    made = [queue.enqueue("count") for _ in range(12)]
    with Worker(queue, threads=1) as worker:
        wait_until(lambda: inside == 1)
        worker.resize(4)
        wait_until(lambda: inside == 4)
        worker.resize(2)
        gate.release(4)
        wait_until(lambda: queue.count("state:completed") == 4)
        wait_until(lambda: inside == 2)
        gate.release(12)
        assert all(queue.wait(each.id, timeout=10).state is State.COMPLETED for each in made)
    assert most == 4


def test_a_worker_survives_a_temporarily_busy_database(queue: Queue, kinds: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    @job(name="fine", registry=kinds)
    def fine() -> None:
        return None

    claims = queue.store.claimer.claim
    failures = iter([True] * 3)

    def claim(*args: Any, **options: Any) -> list[Job]:
        if next(failures, False):
            raise StoreBusy("jobs.db", 0.1)
        return claims(*args, **options)

    monkeypatch.setattr(queue.store.claimer, "claim", claim)
    (done,) = finish(queue, queue.enqueue("fine"))
    assert done.state is State.COMPLETED
    assert next(failures, None) is None


@pytest.mark.parametrize("lease", [0.2, 0.6, 30.0])
def test_leases_are_renewed_in_time_however_short_they_are(
    queue: Queue, kinds: Registry, lease: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[float] = []

    def pause(self: MaintenanceLoop, longest: float) -> float:
        rounds.append(longest)
        return longest

    monkeypatch.setattr(MaintenanceLoop, "pause", pause)
    queue.settings = replace(queue.settings, lease=lease)

    @job(name="long", registry=kinds)
    def long() -> None:
        seen = len(rounds)
        while len(rounds) < seen + 3:
            context().sleep(0.01)

    (done,) = finish(queue, queue.enqueue("long"))
    assert done.state is State.COMPLETED
    assert min(rounds) <= lease / 3


def test_an_idle_worker_starts_a_job_of_another_program_at_once(queue: Queue, kinds: Registry) -> None:
    started: list[float] = []

    @job(name="now", registry=kinds)
    def now() -> None:
        started.append(time.monotonic())

    with Worker(queue, threads=1) as worker, Queue(queue.where, settings=queue.settings, registry=kinds) as other:
        assert worker.wait_idle(10)
        delays = []
        for _ in range(5):
            begin = time.monotonic()
            other.wait(other.enqueue("now").id, timeout=10, every=0.005)
            delays.append(started[-1] - begin)
    assert min(delays) < 0.2  # polling alone would take half a second on average


def test_several_workers_with_threads_run_every_job_exactly_once(queue: Queue, kinds: Registry, tmp_path: Path) -> None:
    @job(name="append", registry=kinds)
    def append(n: int) -> None:
        file = os.open(tmp_path / "ran", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{n}\n".encode())
        os.close(file)

    queue.enqueue_many([queue.new_job("append", {"n": n}) for n in range(600)])
    others = [Queue(queue.where, settings=queue.settings, registry=kinds) for _ in range(3)]
    workers = [Worker(each, threads=3) for each in (queue, *others)]
    for worker in workers:
        worker.start()
    wait_until(lambda: queue.count("state:completed") == 600, timeout=30)
    for worker in workers:
        worker.stop()
    for each in others:
        each.close()
    assert sorted(map(int, (tmp_path / "ran").read_text().split())) == list(range(600))


# -- commands ------------------------------------------------------------------------------------------


def test_a_failed_command_reports_its_exit_code_and_standard_error(queue: Queue) -> None:
    script = "echo out; echo no luck >&2; exit 3"
    (done,) = finish(queue, queue.enqueue("shell", {"command": ["sh", "-c", script]}, max_attempts=1))
    assert (done.state, done.error) == (State.FAILED, "exit code 3: no luck")
    assert sorted(wal_path(queue, done.id)) == [("err", "no luck"), ("out", "out")]


def test_a_command_that_does_not_exist_is_not_retried(queue: Queue) -> None:
    (done,) = finish(queue, queue.enqueue("shell", {"command": ["no-such-program-here"]}))
    assert (done.state, done.attempt) == (State.FAILED, 1)
    assert "no-such-program-here" in (done.error or "")


def test_a_command_gets_its_directory_its_variables_and_its_job(queue: Queue, tmp_path: Path) -> None:
    args = {
        "command": ["pwd; echo $LEVEL $JOBDECK_JOB_ID $JOBDECK_ATTEMPT"],
        "shell": True,
        "cwd": str(tmp_path),
        "env": {"LEVEL": "9"},
    }
    (done,) = finish(queue, queue.enqueue("shell", args))
    assert "\n".join(text for _, text in wal_path(queue, done.id)) == f"{tmp_path}\n9 {done.id} 1"


def test_a_command_that_ignores_the_signal_is_killed_with_all_its_children(queue: Queue, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f'trap "" TERM; sleep 999 & echo $! > {note}; echo $$ >> {note}; wait'
    made = queue.enqueue("shell", {"command": ["sh", "-c", script]}, max_attempts=1)

    def alive() -> bool:
        return any(_runs(int(pid)) for pid in note.read_text().split())

    with Worker(queue, threads=1):
        wait_until(lambda: note.exists() and len(note.read_text().split()) == 2)
        queue.cancel(made.id)
        while True:
            was_alive = alive()  # read before the state, never the other way round
            if queue.get(made.id).state is State.CANCELLED:
                break
            assert queue.get(made.id).state in (State.RUNNING, State.CANCELLED)
        assert not was_alive or not alive()
    assert not alive()


def _runs(pid: int) -> bool:
    """Report whether a process still executes; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_code_that_ignores_its_cancellation_keeps_its_thread_and_gets_a_replacement(
    queue: Queue, kinds: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    enough = threading.Event()

    @job(name="deaf", registry=kinds)
    def deaf() -> None:
        enough.wait()

    @job(name="quick", registry=kinds)
    def quick() -> int:
        return 1

    stuck = queue.enqueue("deaf")
    with Worker(queue, threads=1) as worker:
        wait_until(lambda: queue.get(stuck.id).state is State.RUNNING)
        queue.cancel(stuck.id)
        after = queue.enqueue("quick")
        assert queue.wait(after.id, timeout=15).state is State.COMPLETED
        told = queue.get(stuck.id)
        assert (told.state, told.cancelling) == (State.RUNNING, True)  # not cancelled while its code runs
        wait_until(lambda: queue.workers.list()[0].stuck == 1)
        assert worker.threads == 1
        enough.set()
        assert queue.wait(stuck.id, timeout=15).state is State.COMPLETED  # it ignored the stop request to the end
        wait_until(lambda: queue.workers.list()[0].stuck == 0)
        assert queue.wait(queue.enqueue("quick").id, timeout=15).state is State.COMPLETED
    assert [record.getMessage() for record in caplog.records if "replacement thread" in record.getMessage()] == [
        f"Job {stuck.id} ignored the stop request; starting a replacement thread"
    ]
