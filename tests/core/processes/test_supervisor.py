"""Child processes: jobs finish as in a thread, a crash affects no other job, and no process outlives its worker."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import apsw
import pytest
from tests.core.helpers import wait_until

from jobdeck import (
    ChildNotStarted,
    Job,
    JobContext,
    KindNotInChild,
    Outcome,
    Queue,
    Reason,
    Registry,
    Settings,
    State,
    SystemClock,
    Worker,
    load_apps,
)
from jobdeck.kinds.registry import REGISTRY, Entry
from jobdeck.model.attempt_result import AttemptResult, Completed, Failed, Released
from jobdeck.processes.supervisor import ProcessSupervisor
from jobdeck.worker.active_job import ActiveJob
from jobdeck.worker.process_feeder import ProcessFeeder

TASKS = Path(__file__).parents[1] / "child_process_kinds.py"
CLOCK = SystemClock()


@pytest.fixture(scope="module")
def kinds() -> Registry:
    """Return the kinds of this file, without those of other tests."""
    load_apps([str(TASKS)])
    module = sys.modules[TASKS.stem]
    return Registry(REGISTRY.get(kind) for kind in REGISTRY.kinds if REGISTRY.get(kind).handler.__module__ == module.__name__)


@pytest.fixture
def queue(tmp_path: Path, kinds: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setattr("jobdeck.execution.context.STOP_GRACE", 0.6)
    settings = Settings(database=str(tmp_path / "jobs.db"), app=(str(TASKS),), synchronous="OFF", shutdown_grace=3.0)
    with Queue(settings=settings, registry=kinds, random=Random(7)) as opened:
        yield opened


@pytest.fixture
def note(tmp_path: Path) -> Path:
    return tmp_path / "note"


def words(note: Path) -> list[str]:
    return note.read_text().split() if note.exists() else []


def pids(note: Path, number: int = 1) -> list[int]:
    """Wait for that many process ids in the note and return them."""
    return wait_until(lambda: len(words(note)) >= number and [int(word) for word in words(note)], what="the note")


def go(note: Path) -> None:
    note.with_name(f"{note.name}.go").touch()


def alive(pid: int) -> bool:
    """Report whether a process still executes; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def outcomes(queue: Queue, job: Job) -> list[Outcome | None]:
    return [attempt.outcome for attempt in queue.attempts(job.id)]


def wal_path(queue: Queue, job: Job) -> list[tuple[int, str, str]]:
    return [(line.attempt, line.level, line.text) for line in queue.logs(job.id)]


# -- as in a thread ------------------------------------------------------------------------------------


def test_a_job_in_the_pool_can_finish_in_every_way_that_it_can_in_a_thread(queue: Queue, note: Path) -> None:
    jobs = [queue.enqueue("who"), *(queue.enqueue("signal", {"how": how, "note": str(note)}, max_attempts=1)
                                    for how in ("giveup", "snooze", "exit"))]  # fmt: skip
    with Worker(queue, threads=1, processes=2) as worker:
        assert (worker.processes, worker.threads) == (2, 2)
        assert [(info.processes, info.threads) for info in queue.workers.list()] == [(2, 2)]
        who, giveup, snooze, left = (queue.wait(job.id, timeout=20) for job in jobs)
    assert who.state is State.COMPLETED
    assert who.result != os.getpid()
    assert (giveup.state, giveup.error) == (State.FAILED, "GiveUp: the card was stolen")
    assert (snooze.state, outcomes(queue, snooze)) == (State.COMPLETED, [Outcome.SNOOZED, Outcome.COMPLETED])
    assert (left.state, left.error) == (State.FAILED, "SystemExit: 3")
    assert not queue.workers.list()


def test_logs_prints_tracebacks_and_progress_come_from_a_child(
    queue: Queue, note: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk, progress = queue.enqueue("talk", backoff=(3600, 3600)), queue.enqueue("progress", {"note": str(note)})
    with Worker(queue, threads=1, processes=2):
        wait_until(lambda: queue.get(progress.id).progress == 0.25)
        assert queue.get(progress.id).progress_message == "a quarter"
        go(note)
        wait_until(lambda: queue.get(talk.id).state is State.RETRYING)
        queue.retry(talk.id)
        assert queue.wait(talk.id, timeout=20).result == {"job": talk.id}
    said = ["printed twice", "to err", "warned 1", "in detail", "half a line"]
    assert [text for attempt, _, text in wal_path(queue, talk) if attempt == 1] == said
    assert [level for attempt, level, _ in wal_path(queue, talk) if attempt == 1] == ["out", "err", "warning", "debug", "out"]
    traceback = queue.attempts(talk.id)[0].traceback
    assert traceback is not None
    assert "in talk" in traceback
    assert "jobdeck/processes/child_main.py" not in traceback


def test_a_running_job_in_a_pool_is_asked_to_stop_and_stops(queue: Queue, note: Path) -> None:
    made = queue.enqueue("loop", {"note": str(note)})
    late = queue.enqueue("loop", {"note": str(note)}, timeout=0.2, max_attempts=1)
    with Worker(queue, threads=2, processes=1):
        pids(note, 2)
        queue.cancel(made.id)
        assert queue.wait(made.id, timeout=10).state is State.CANCELLED
        assert queue.wait(late.id, timeout=10).reason in (None, Reason.TIMED_OUT)
    assert outcomes(queue, late) == [Outcome.TIMED_OUT]


@pytest.mark.parametrize("how", ["cancelled", "timed out"])
def test_code_in_the_pool_that_ignores_a_stop_request_keeps_its_thread_and_gets_a_replacement(
    queue: Queue, note: Path, how: str
) -> None:
    timeout = 0.2 if how == "timed out" else None
    deaf = [queue.enqueue("deaf", {"note": str(note)}, timeout=timeout, max_attempts=1) for _ in range(2)]
    with Worker(queue, threads=2, processes=1) as worker:
        (pid, _) = pids(note, 2)
        if how == "cancelled":
            queue.cancel_many([job.id for job in deaf])
        assert {queue.wait(queue.enqueue("who").id, timeout=10).result for _ in range(3)} == {pid}
        wait_until(lambda: [each.stuck for each in queue.workers.list()] == [2])
        (told,) = queue.workers.list()
        assert [(each.job_id, each.reason) for each in told.stopping] == [(job.id, how) for job in deaf]
        os.kill(pid, signal.SIGKILL)  # the next child process has no stuck thread
        wait_until(lambda: [each.stuck for each in queue.workers.list()] == [0])
        assert queue.wait(queue.enqueue("who", priority=1).id, timeout=10).result not in (None, pid)
        assert {queue.get(job.id).state for job in deaf} == {State.CANCELLED if how == "cancelled" else State.FAILED}
        assert worker.threads == 2


def test_the_process_of_an_isolated_job_is_reused_by_the_next(queue: Queue) -> None:
    with Worker(queue, threads=1):
        first, second = (queue.wait(queue.enqueue("iso.who").id, timeout=20) for _ in range(2))
    assert first.result == second.result != os.getpid()
    assert "\n".join(text for _, _, text in wal_path(queue, first)) == "from the handler\nfrom its command"
    wait_until(lambda: not alive(first.result))


# -- crashes -------------------------------------------------------------------------------------------


def test_a_killed_child_interrupts_only_its_own_job_which_runs_again(queue: Queue, note: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    jobs = [queue.enqueue("held", {"note": str(path)}) for path in (note, other)]
    with Worker(queue, threads=1, processes=2):
        (victim,), (survivor,) = pids(note), pids(other)
        os.kill(victim, signal.SIGKILL)
        replacement = pids(note, 2)[1]
        go(note)
        go(other)
        first, second = (queue.wait(job.id, timeout=20) for job in jobs)
    assert (first.state, first.result, first.attempt, first.crashes) == (State.COMPLETED, replacement, 2, 1)
    assert outcomes(queue, first) == [Outcome.CRASHED, Outcome.COMPLETED]
    assert "killed by SIGKILL" in (queue.attempts(first.id)[0].message or "")
    assert (second.state, second.result, second.attempt) == (State.COMPLETED, survivor, 1)
    assert victim != replacement


def test_a_handler_that_exits_its_process_uses_all_attempts_and_fails_as_crashed(queue: Queue, note: Path) -> None:
    poison = queue.enqueue("vanish", {"note": str(note)})
    others = [queue.enqueue("who") for _ in range(20)]
    with Worker(queue, threads=1, processes=2):
        done = queue.wait(poison.id, timeout=30)
        states = {queue.wait(job.id, timeout=20).state for job in others}
    assert (done.state, done.attempt, done.reason, done.crashes) == (State.FAILED, 3, Reason.CRASHED, 3)
    assert words(note) == ["1", "2", "3"]
    assert outcomes(queue, done) == [Outcome.CRASHED] * 3
    assert done.error == "Crashed: the child process exited while the job was running (exit code 7)"
    assert queue.attempts(done.id)[0].traceback == "of the process"
    assert states == {State.COMPLETED}


@pytest.mark.parametrize("kind", ["iso.spin", "iso.trap"])
def test_a_cancelled_isolated_job_is_cancelled_within_its_grace_once_its_processes_have_exited(
    queue: Queue, note: Path, kind: str
) -> None:
    made = queue.enqueue(kind, {"note": str(note)})
    with Worker(queue, threads=1):
        mine = pids(note, 3 if kind == "iso.trap" else 1)
        began = time.monotonic()
        queue.cancel(made.id)
        while True:
            living = [pid for pid in mine if alive(pid)]  # read before the state, never the other way round
            if queue.get(made.id).state is State.CANCELLED:
                break
            assert queue.get(made.id).state in (State.RUNNING, State.CANCELLED)
        assert time.monotonic() - began < 0.6 + 1.0
        assert not living or not any(map(alive, living))
        assert queue.wait(queue.enqueue("iso.who").id, timeout=20).result not in mine
    assert outcomes(queue, made) == [Outcome.CANCELLED]


def test_an_isolated_job_that_never_checks_can_still_clean_up(queue: Queue, note: Path) -> None:
    made = queue.enqueue("iso.tidy", {"note": str(note)})
    with Worker(queue, threads=1):
        pids(note)
        queue.cancel(made.id)
        assert queue.wait(made.id, timeout=10).state is State.CANCELLED
    assert words(note)[1:] == ["tidied"]


def test_an_isolated_job_that_stops_on_request_leaves_its_process_to_the_next(queue: Queue, note: Path) -> None:
    made = queue.enqueue("iso.polite", {"note": str(note)})
    with Worker(queue, threads=1):
        (pid,) = pids(note)
        queue.cancel(made.id)
        assert queue.wait(made.id, timeout=10).state is State.CANCELLED
        assert queue.wait(queue.enqueue("iso.who").id, timeout=20).result == pid


@pytest.mark.parametrize("kind", ["iso.spin", "iso.polite"])
def test_an_isolated_job_is_stopped_at_its_timeout_whatever_its_code_does(queue: Queue, note: Path, kind: str) -> None:
    made = queue.enqueue(kind, {"note": str(note)}, timeout=0.3)
    with Worker(queue, threads=1):
        done = queue.wait(made.id, timeout=10)
    assert (done.state, outcomes(queue, done)) == (State.FAILED, [Outcome.TIMED_OUT])
    assert not alive(pids(note)[0])


def test_processes_that_an_isolated_job_started_are_killed_with_it(queue: Queue, note: Path) -> None:
    with Worker(queue, threads=1):
        done = queue.wait(queue.enqueue("iso.litter", {"note": str(note)}).id, timeout=20)
        assert done.state is State.COMPLETED
        assert not alive(pids(note)[0])


def test_a_job_that_does_not_stop_within_the_grace_is_killed_and_released(
    queue: Queue, note: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = tmp_path / "other"
    deaf, spin = queue.enqueue("deaf", {"note": str(note)}), queue.enqueue("iso.spin", {"note": str(other)})
    worker = Worker(queue, threads=1, processes=2)
    worker.start()
    running = pids(note) + pids(other)
    began = time.monotonic()
    assert worker.stop(grace=0.6)
    assert time.monotonic() - began < 3
    assert not any(map(alive, running))
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]  # killed processes are not replaced
    for job in (deaf, spin):
        assert (queue.get(job.id).state, queue.get(job.id).attempt) == (State.PENDING, 0)
        assert outcomes(queue, job) == [Outcome.RELEASED]


@pytest.mark.parametrize(("kind", "processes"), [("loop", 1), ("iso.polite", 0), ("iso.spin", 0), ("deaf", 1)])
def test_a_job_stopped_because_its_lease_could_not_be_renewed_is_not_cancelled_but_runs_again(
    queue: Queue, note: Path, kind: str, processes: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("jobdeck.store.sqlite.raw_connection.BUSY_TIMEOUT", 0.1)
    made = queue.enqueue(kind, {"note": str(note)}, max_attempts=2)
    queue.settings = replace(queue.settings, lease=0.6)
    with Worker(queue, threads=1, processes=processes) as worker, closing(apsw.Connection(str(queue.where))) as other:
        (pid,) = pids(note)
        other.set_busy_timeout(10_000)
        other.execute("BEGIN IMMEDIATE")  # another program locks the file for longer than the lease
        wait_until(lambda: "expired before it could be renewed" in caplog.text, what="the fence")
        if kind == "deaf":
            os.kill(pid, signal.SIGKILL)
        elif kind == "iso.spin":
            wait_until(lambda: not alive(pid), what="the exit of the process")
        other.execute("ROLLBACK")
        assert len(pids(note, 2)) == 2
        worker.stop(grace=0.5)
    assert outcomes(queue, made)[0] is Outcome.RELEASED
    assert queue.get(made.id).state is State.PENDING


PROGRAM = """
import sys
from jobdeck import Queue, Worker, load_apps
load_apps([sys.argv[1]])
worker = Worker(Queue(sys.argv[2]), threads=2, processes=2)
worker.start()
print("started", flush=True)
sys.stdin.read()
"""


def test_no_child_process_nor_anything_that_it_started_outlives_a_killed_worker(
    queue: Queue, note: Path, tmp_path: Path
) -> None:
    for path, kind in (("a", "command"), ("b", "iso.trap"), ("c", "deaf")):
        queue.enqueue(kind, {"note": str(tmp_path / path)})
    queue.enqueue("shell", {"command": [f'echo $$ >> {tmp_path / "d"}; trap "" TERM; sleep 999 & wait'], "shell": True})
    program = [sys.executable, "-c", PROGRAM, str(TASKS), queue.where]
    worker = subprocess.Popen(program, stdin=subprocess.PIPE, env={**os.environ, "JOBDECK_APP": str(TASKS)})
    try:
        started = [pid for path, number in (("a", 2), ("b", 3), ("c", 1), ("d", 1)) for pid in pids(tmp_path / path, number)]
        children = {os.getpgid(pid) for pid in started}
        assert len(children) >= 3
    finally:
        worker.kill()
        worker.communicate()
    wait_until(lambda: not any(map(alive, (*started, *children))), what="the exit of all processes")


def test_a_child_ignores_signals_that_are_meant_for_its_worker(queue: Queue, note: Path) -> None:
    made = queue.enqueue("held", {"note": str(note)})
    with Worker(queue, threads=1, processes=1):
        (pid,) = pids(note)
        assert os.getsid(pid) == pid  # a terminal's Ctrl-C does not reach it
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid, number)
        go(note)
        assert queue.wait(made.id, timeout=10).result == pid


# -- starting ------------------------------------------------------------------------------------------


def test_an_app_that_a_child_cannot_import_is_reported_in_one_sentence(
    queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHILDREN_BROKEN", str(tmp_path))
    with pytest.raises(ChildNotStarted) as refused:
        Worker(queue, threads=1, processes=2).start()
    assert str(refused.value) == (
        f"A child process could not start: The app '{TASKS}' could not be imported:"
        f" importing it raised RuntimeError: the deploy is half done ({TASKS.relative_to(Path.cwd())}, line 21)."
    )
    made = queue.enqueue("iso.who", max_attempts=1)
    with Worker(queue, threads=1):
        assert "the deploy is half done" in (queue.wait(made.id, timeout=20).error or "")


def test_a_child_that_cannot_be_replaced_is_retried_later_while_the_others_run_jobs(
    queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken, first, second = (tmp_path / name for name in ("broken", "first", "second"))
    monkeypatch.setenv("CHILDREN_BROKEN", str(broken))
    jobs = [queue.enqueue("held", {"note": str(path)}) for path in (first, second)]
    with Worker(queue, threads=1, processes=2):
        (victim,), (survivor,) = pids(first), pids(second)
        broken.touch()
        with caplog.at_level(logging.ERROR, "jobdeck.child"):
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda: "Retrying in" in caplog.text)
        go(first)
        go(second)
        assert {queue.wait(job.id, timeout=10).result for job in jobs} == {survivor}
        broken.unlink()
        again = [tmp_path / name for name in ("third", "fourth")]
        for path in again:
            queue.enqueue("held", {"note": str(path)})
        assert len({pids(path)[0] for path in again}) == 2, "two at once: there is a second process again"
        for path in again:
            go(path)


def test_a_handler_of_the_program_itself_cannot_be_found_in_a_child(queue: Queue, kinds: Registry) -> None:
    def mine() -> None: ...

    mine.__module__ = "__main__"
    more = Registry(map(kinds.get, kinds.kinds))
    more.add(Entry("mine", mine))
    with Queue(queue.where, settings=queue.settings, registry=more) as other:
        with pytest.raises(KindNotInChild, match="do not know kind 'mine': move the handler from the main program"):
            Worker(other, threads=1, processes=1).start()
        more.add(Entry("mine", mine, isolate=True))
        made = other.enqueue("mine")
        with Worker(other, threads=1):
            wait_until(lambda: other.get(made.id).state is State.RETRYING, what="the retry, by a worker that knows the kind")
        done = other.get(made.id)
    assert (done.attempt, done.max_attempts) == (1, made.max_attempts + 1)
    assert "do not know kind 'mine'" in (done.error or "")


# -- the feeder ----------------------------------------------------------------------------------------


class Listed:
    """A source of jobs backed by a list. Records the size of each batch taken, and every result."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = deque(jobs)
        self.asked: list[int] = []
        self.endings: dict[int, AttemptResult] = {}
        self.messages = 0
        self._lock = threading.Condition()

    def add(self, *jobs: Job) -> None:
        with self._lock:
            self.jobs.extend(jobs)
            self._lock.notify()

    lease_deadline = float("inf")
    """When the leases of its jobs expire."""

    def get(self, most: int) -> list[ActiveJob] | None:
        with self._lock:
            self.asked.append(most)
            while not self.jobs:
                self._lock.wait()
            taken = [self.jobs.popleft() for _ in range(min(most, len(self.jobs)))]
            return (
                None
                if taken[0].kind == "end"
                else [ActiveJob(job, JobContext(job, CLOCK), self.lease_deadline) for job in taken if job.kind != "end"]
            )

    def submit_results(self, ended: Sequence[tuple[ActiveJob, AttemptResult]]) -> None:
        self.messages += 1
        self.endings.update((run.job.id, ending) for run, ending in ended)


def claimed(n: int, kind: str, note: Path | None = None, **more: int) -> Job:
    return Job(
        id=n,
        kind=kind,
        args_json="{}" if note is None else f'{{"note": "{note}"}}',
        queue="default",
        priority=0,
        state=State.RUNNING,
        attempt=more.get("attempt", 1),
        max_attempts=more.get("max_attempts", 3),
        created_at=0.0,
        scheduled_at=0.0,
        lease=n * 1000,
    )


Started = Callable[..., tuple[Listed, ProcessSupervisor]]


@pytest.fixture
def pump(kinds: Registry) -> Iterator[Started]:
    begun: list[ProcessSupervisor] = []

    def start(jobs: Sequence[Job], *, processes: int = 1, threads: int = 1) -> tuple[Listed, ProcessSupervisor]:
        source = Listed(jobs)
        children = ProcessSupervisor(
            kinds, processes=processes, threads=threads, apps=[str(TASKS)], clock=CLOCK, random=Random(7)
        )
        begun.append(children)
        children.start()
        ProcessFeeder(source, children, CLOCK).start()
        return source, children

    yield start
    for children in begun:
        children.close()
        assert not children.pids


def test_many_short_jobs_travel_in_few_messages(pump: Started) -> None:
    source, _ = pump([claimed(n, "who") for n in range(1, 2001)], processes=2)
    wait_until(lambda: len(source.endings) == 2000, timeout=30)
    assert {type(ending) for ending in source.endings.values()} == {Completed}
    assert all(ending.job.lease == n * 1000 for n, ending in source.endings.items())  # the child never saw the lease
    assert source.messages < 1000
    assert max(source.asked) > 20


def test_a_job_sent_but_not_started_is_released_with_its_attempt_when_the_child_dies(pump: Started, note: Path) -> None:
    source, _ = pump([claimed(n, "who") for n in range(1, 201)])  # teaches the feeder that jobs are short
    wait_until(lambda: len(source.endings) == 200)
    source.add(claimed(201, "vanish", note), *(claimed(n, "who") for n in range(202, 232)))
    wait_until(lambda: len(source.endings) == 231)
    crashed = source.endings[201]
    assert isinstance(crashed, Failed)
    assert (crashed.outcome, crashed.retry_at is not None) == (Outcome.CRASHED, True)
    rest = {type(source.endings[n]) for n in range(202, 232)}
    assert rest == {Released}


def test_the_result_of_a_last_attempt_is_sent_before_the_next_job_starts(pump: Started, note: Path) -> None:
    source, _ = pump([claimed(n, "who") for n in range(1, 201)])
    wait_until(lambda: len(source.endings) == 200)
    source.add(*(claimed(n, "who", max_attempts=1) for n in range(201, 211)), claimed(211, "vanish", note))
    wait_until(lambda: len(source.endings) == 211)
    assert {type(source.endings[n]) for n in range(201, 211)} == {Completed}


def test_a_result_that_arrives_again_does_not_end_the_next_job(pump: Started, note: Path) -> None:
    source, children = pump([claimed(1, "repeat", note)])
    wait_until(lambda: 1 in source.endings)
    source.add(claimed(2, "repeat", note))
    wait_until(lambda: 2 in source.endings)
    assert [ending.result_json for ending in source.endings.values() if isinstance(ending, Completed)] == ['"its own"'] * 2
    assert len(children.pids) == 1


def test_a_job_behind_a_long_one_moves_to_an_idle_child(pump: Started, note: Path) -> None:
    source, _ = pump([claimed(n, "who") for n in range(1, 401)], processes=2)
    wait_until(lambda: len(source.endings) == 400)
    source.add(claimed(401, "held", note), *(claimed(n, "who") for n in range(402, 412)))
    wait_until(lambda: len(source.endings) == 410, what="the results of all but the long job")
    assert {type(ending) for ending in source.endings.values()} == {Completed}
    go(note)
    wait_until(lambda: 401 in source.endings)


def test_jobs_that_have_not_started_are_recalled_when_the_worker_drains(pump: Started, note: Path) -> None:
    source, children = pump([claimed(n, "who") for n in range(1, 201)])
    wait_until(lambda: len(source.endings) == 200)
    source.add(claimed(201, "held", note), *(claimed(n, "who") for n in range(202, 212)))
    pids(note)
    children.recall_unstarted()
    wait_until(lambda: len(source.endings) == 210)
    assert {type(source.endings[n]) for n in range(202, 212)} == {Released}
    go(note)
    assert isinstance(wait_until(lambda: source.endings.get(201)), Completed)


def test_isolated_jobs_and_the_pool_share_one_feeder(pump: Started) -> None:
    source, children = pump([claimed(1, "iso.who"), claimed(2, "who"), claimed(3, "iso.who")], processes=1, threads=2)
    wait_until(lambda: len(source.endings) == 3, timeout=20)
    results = [ending.result_json for _, ending in sorted(source.endings.items()) if isinstance(ending, Completed)]
    assert len(results) == 3
    assert results[1] not in (results[0], results[2])
    assert {int(result) for result in results if result} <= set(children.pids)


def test_at_most_as_many_isolated_jobs_run_at_once_as_the_pool_has_threads(pump: Started, tmp_path: Path) -> None:
    source, _ = pump([claimed(n, "who") for n in range(1, 201)], threads=2)  # teaches the feeder to take many jobs
    wait_until(lambda: len(source.endings) == 200)
    source.add(*(claimed(n, "iso.who") for n in range(201, 231)))
    wait_until(lambda: len(source.endings) == 230, timeout=30)
    results = {ending.result_json for n, ending in source.endings.items() if n > 200 and isinstance(ending, Completed)}
    assert 1 <= len(results) <= 2


def test_the_threads_of_a_pool_grow_and_shrink_together(queue: Queue, tmp_path: Path) -> None:
    notes = [tmp_path / f"note{n}" for n in range(6)]
    for path in notes:
        queue.enqueue("held", {"note": str(path)})
    with Worker(queue, threads=1, processes=2) as worker:
        wait_until(lambda: sum(path.exists() for path in notes) == 2)
        worker.resize(3)
        assert worker.threads == 6
        wait_until(lambda: all(path.exists() for path in notes))
        assert len({pids(path)[0] for path in notes}) == 2
        for path in notes:
            go(path)
        wait_until(lambda: queue.count("state:completed") == 6)


def test_a_shrunk_pool_continues_with_fewer_threads(queue: Queue, tmp_path: Path) -> None:
    notes = [tmp_path / f"note{n}" for n in range(6)]

    def begun() -> int:
        return sum(path.exists() for path in notes)

    with Worker(queue, threads=4, processes=1) as worker:
        queue.enqueue_bulk("who", [{}] * 50)
        assert worker.wait_idle(20)
        worker.resize(2)
        jobs = [queue.enqueue("held", {"note": str(path)}) for path in notes]
        wait_until(lambda: begun() == 2)
        go(notes[0])
        wait_until(lambda: begun() == 3)
        worker.resize(0)
        for path in notes:
            go(path)
        wait_until(lambda: queue.count("state:running") == 0)
        late = queue.enqueue("who", priority=9)
        queue.wake()
        assert queue.wait(late.id, timeout=0.3).state is State.PENDING
        worker.resize(1)
        for job in (*jobs, late):
            assert queue.wait(job.id, timeout=10).state is State.COMPLETED


def test_a_job_whose_lease_has_expired_is_not_sent_to_a_child(pump: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Listed, "lease_deadline", CLOCK.monotonic())
    source, _ = pump([claimed(1, "own_pid")])
    wait_until(lambda: 1 in source.endings)
    assert isinstance(source.endings[1], Released)
