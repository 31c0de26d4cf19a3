"""Workers on a server that becomes unavailable and returns, is replaced, or has another clock: they recover."""

from __future__ import annotations

import logging
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace

import psycopg
import pytest
from tests.core.controlled_handlers import Handlers, waiting_handlers
from tests.core.helpers import CLOSES, wait_until
from tests.core.postgres import database_at, server

from jobdeck import Outcome, Queue, Settings, State, StoreError, StoreReplaced, Worker
from jobdeck.store.claim_capacity import ClaimRequest

pytestmark = pytest.mark.postgres


@pytest.fixture
def handlers() -> Iterator[Handlers]:
    with waiting_handlers() as made:
        yield made


@pytest.fixture
def where(tmp_path: Path) -> Iterator[str]:
    yield database_at(tmp_path)
    CLOSES["postgres"](tmp_path)


def open_queue(where: str, handlers: Handlers, **settings: object) -> Queue:
    chosen = Settings(shutdown_grace=5.0, **settings)  # type: ignore[arg-type]
    return Queue(where, registry=handlers.registry, settings=chosen, random=Random(7))


@pytest.fixture
def queue(where: str, handlers: Handlers) -> Iterator[Queue]:
    with open_queue(where, handlers) as opened:
        yield opened


def drop(where: str) -> None:
    """Drop all tables of the queue, as a cleanup of the wrong database would."""

    def dropped() -> bool:
        try:
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        except psycopg.errors.DeadlockDetected:  # the tables are locked one by one while the worker uses them
            return False
        return True

    with psycopg.connect(where, autocommit=True) as connection:
        wait_until(dropped)


def state_of(queue: Queue, job_id: int) -> State | None:
    """Return the state of a job; `None` while the server is unavailable or a replaced queue is being detected."""
    try:
        return queue.get(job_id).state
    except StoreError:
        return None


def test_a_job_of_another_program_starts_at_once(queue: Queue, where: str, handlers: Handlers) -> None:
    with Worker(queue, threads=1) as worker, open_queue(where, handlers) as other:
        assert worker.wait_idle(timeout=15)
        took = []
        for _ in range(5):
            began = time.monotonic()
            job = other.enqueue("quick")
            wait_until(lambda job=job: other.get(job.id).state is State.COMPLETED)
            took.append(time.monotonic() - began)
        assert sorted(took)[2] < 0.5  # polling happens once a second


def test_the_stack_of_a_job_is_available_in_other_programs_and_on_other_machines(
    queue: Queue, where: str, handlers: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queue.enqueue("slow")
    with monkeypatch.context() as patched:
        patched.setattr("socket.gethostname", lambda: "web-9")
        worker = Worker(queue, threads=1)
    with worker, open_queue(where, handlers) as other:
        assert handlers.begun.wait(15)
        for asking in (queue, other):
            stack = asking.stack(job.id, timeout=10)
            assert (stack.reason, stack.worker.split(":")[0], stack.calls[0].function) == ("", "web-9", "slow")
        with queue.transaction():  # nothing is sent before its end
            assert "did not reply" in queue.stack(job.id, timeout=0.1).reason
        assert not queue.stack(job.id, timeout=10).reason
        handlers.go.set()


def test_a_stack_longer_than_a_notification_arrives_whole(queue: Queue, where: str, handlers: Handlers) -> None:
    notifier, answer = queue.store.notifier, "".join(f"[{n}]" for n in range(10_000)) + "\x7f" * 20_000

    def reply_later(question: str, reply: Callable[[str], None]) -> bool:
        threading.Thread(target=reply, args=(answer + question,)).start()
        return True

    with open_queue(where, handlers) as other, notifier.listen(lambda: None), notifier.serve(reply_later):
        assert [other.store.notifier.request(f"of {n}", 10) for n in range(3)] == [f"{answer}of {n}" for n in range(3)]


def test_a_worker_that_does_not_reply_is_named_and_other_notifications_wake_it(
    queue: Queue, where: str, handlers: Handlers
) -> None:
    woken = threading.Event()
    notifier = queue.store.notifier
    with psycopg.connect(where, autocommit=True) as stranger, notifier.listen(woken.set), notifier.serve(lambda *_: 1 / 0):
        channel = "SELECT pg_notify('jobdeck_' || 'jobdeck_meta'::regclass::oid, %s)"
        for payload in ("?", "? x", "?jobdeck_reply_" + "0" * 24 + " nonsense", "?" + "x" * 200 + " y", "\x07"):
            stranger.execute(channel, (payload,))
        queue.enqueue("slow")
        assert woken.wait(10)
    job = queue.store.claimer.claim(ClaimRequest("web-9:4021:9f2c1a", 1, ("slow",), (), 30.0))[0]
    assert queue.stack(job.id, timeout=0.05).reason == (
        "Process 4021 on web-9 runs it and did not reply within 0.05 s; its code may be blocking the interpreter, or it may "
        "have exited or run an older version of jobdeck."
    )


def test_a_job_survives_a_restart_of_the_server_and_completes_once(
    queue: Queue, handlers: Handlers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "jobdeck.worker")
    job = queue.enqueue("slow")
    with Worker(queue, threads=2) as worker:
        assert handlers.begun.wait(15)
        server().stop()
        try:
            wait_until(lambda: worker.last_error is not None, timeout=20)
            wait_until(lambda: "cannot be reached" in (worker.last_error or ""), timeout=20)
            handlers.go.set()
            assert handlers.ended.wait(15)
        finally:
            server().start()
        wait_until(lambda: state_of(queue, job.id) is State.COMPLETED, timeout=20)
        wait_until(lambda: worker.last_error is None, timeout=20)
        after = queue.enqueue("quick")
        wait_until(lambda: state_of(queue, after.id) is State.COMPLETED, timeout=20)
    assert [attempt.outcome for attempt in queue.attempts(job.id)] == [Outcome.COMPLETED]
    assert not handlers.stopped.is_set()
    told = [each for each in caplog.messages if "cannot be reached" in each]
    assert max(Counter(told).values()) <= 2  # the claimer and the heartbeat, but not each of their retries


def test_a_worker_shuts_down_in_time_while_the_server_is_unavailable(where: str, handlers: Handlers) -> None:
    with open_queue(where, handlers) as queue:
        worker = Worker(queue, threads=1)
        worker.start()
        queue.enqueue("slow")
        assert handlers.begun.wait(15)
        server().stop()
        try:
            wait_until(lambda: worker.last_error is not None, timeout=20)
            began = time.monotonic()
            worker.stop(grace=1.0)
            assert time.monotonic() - began < 4
        finally:
            server().start()


def test_a_dropped_queue_stops_claiming_and_a_new_one_resumes_it(
    queue: Queue, where: str, handlers: Handlers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "jobdeck.worker")
    slow = queue.enqueue("slow")
    with Worker(queue, threads=2) as worker:
        assert handlers.begun.wait(15)
        drop(where)
        wait_until(lambda: worker.last_error is not None, timeout=20)
        assert "no longer holds a queue" in (worker.last_error or "")
        with open_queue(where, handlers) as there:
            first = there.enqueue("quick")
            assert first.id == slow.id
            # The idle thread starts a job at once, while the job of the old queue continues.
            wait_until(lambda: there.get(first.id).state is State.COMPLETED, timeout=20)
            handlers.go.set()
            assert handlers.ended.wait(15)
            wait_until(lambda: worker.running == 0)
            assert there.get(first.id).result == "done"  # and not that of the old job
            second = there.enqueue("quick")
            wait_until(lambda: there.get(second.id).state is State.COMPLETED, timeout=20)
        wait_until(lambda: worker.last_error is None, timeout=20)
    assert any(re.search(r"The database postgresql://\S+ was replaced", each) for each in caplog.messages)


def test_renewing_the_queue_continues_with_an_empty_one(queue: Queue, where: str) -> None:
    queue.enqueue("quick")
    drop(where)
    queue.recreate()
    with pytest.raises(StoreReplaced):
        queue.enqueue("quick")
    assert queue.enqueue("quick").id == 1


@pytest.mark.parametrize("ahead", [-5.0, 5.0], ids=["behind", "ahead"])
def test_a_worker_with_another_clock_than_the_server_is_neither_late_nor_busy_waiting(
    where: str, handlers: Handlers, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    ours = SimpleNamespace(time=lambda: time.time() - ahead, monotonic=time.monotonic, sleep=time.sleep, strftime=time.strftime)
    monkeypatch.setattr("jobdeck.store.postgres.connection.time", ours)
    monkeypatch.setattr("jobdeck.clock.time", ours)
    with open_queue(where, handlers) as queue, Worker(queue, threads=1) as worker:
        queue.wait(queue.enqueue("quick").id, timeout=20)
        assert worker.wait_idle(timeout=15)
        turns = 0
        turn = worker._record_and_claim

        def counted(work: object) -> object:
            nonlocal turns
            turns += 1
            return turn(work)  # type: ignore[arg-type]

        monkeypatch.setattr(worker, "_record_and_claim", counted)
        due = time.time() + 1.5  # by the server's clock, which is that of this machine
        job = queue.enqueue("quick", at=due)
        wait_until(lambda: queue.get(job.id).state is State.COMPLETED, timeout=15)
        done = queue.get(job.id)
        assert done.started_at is not None
        assert due <= done.started_at < due + 1.0
        assert turns < 60


PRODUCER = """
import os, sys
from jobdeck import Queue
sys.path.insert(0, os.environ["TASKS"])
import server_tasks
with Queue() as queue:
    for n in range(40):
        job = queue.enqueue("mark", {"n": n})
        print(job.id, flush=True)
    os.kill(os.getpid(), 9)
"""
TASKS = """
import os, time
from jobdeck import context, job

@job(name="mark", max_attempts=20)
def mark(n: int) -> None:
    file = os.open(os.environ["STARTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{context().job_id} {context().attempt}\\n".encode())
    os.close(file)
    time.sleep(0.03)
"""
WORKER = """
import os, sys, threading
sys.path.insert(0, os.environ["TASKS"])
import server_tasks
from jobdeck import Queue, Worker
with Queue() as queue, Worker(queue, threads=3):
    threading.Event().wait()
"""


def test_killed_producers_workers_and_servers_lose_no_acknowledged_job(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "server_tasks.py").write_text(TASKS)
    for name, value in {"TASKS": str(tmp_path), "STARTS": str(tmp_path / "starts"), "JOBDECK_LEASE": "1.0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("JOBDECK_DATABASE", where)
    Queue(where).close()

    def python(code: str) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def final(queue: Queue) -> int:
        try:
            return sum(n for state, n in queue.overview().counts.items() if state.is_final)
        except StoreError:
            return 0

    acknowledged: list[int] = []
    random = Random(5)
    workers = [python(WORKER), python(WORKER)]
    try:
        with Queue(where, settings=Settings(lease=1.0)) as queue:
            for turn in range(3):
                producer = python(PRODUCER)
                written, _ = producer.communicate(timeout=60)
                assert producer.returncode == -signal.SIGKILL
                acknowledged += map(int, written.split())
                wait_until(lambda turn=turn: final(queue) > turn * 40 + random.randrange(5, 30), timeout=60)
                victim = workers.pop(0)
                victim.kill()
                victim.wait()
                if turn == 1:
                    server().restart()
                workers.append(python(WORKER))
            wait_until(lambda: final(queue) == len(acknowledged), timeout=90)
            assert len(set(acknowledged)) == len(acknowledged) == 120
            jobs = queue.get_many(acknowledged)
            assert [job.state for job in jobs] == [State.COMPLETED] * 120
            starts = (tmp_path / "starts").read_text().split("\n")[:-1]
            assert len(set(starts)) == len(starts)  # no attempt started twice
            assert sum(job.attempt for job in jobs) >= len(starts) >= 120
            assert sum(job.crashes for job in jobs) == sum(job.attempt - 1 for job in jobs)
    finally:
        for each in workers:
            each.kill()
            each.wait()
    with psycopg.connect(where) as connection:
        kept = "SELECT queue, kind, state, n FROM jobdeck_counts WHERE n <> 0 ORDER BY 1, 2, 3"
        counted = "SELECT queue, kind, state, count(*) FROM jobdeck_jobs GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        assert connection.execute(kept).fetchall() == connection.execute(counted).fetchall()
