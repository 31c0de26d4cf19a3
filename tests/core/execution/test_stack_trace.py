"""The stack of a running job: captured in the process that runs it, and available in others or explained there."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from tests.core.helpers import wait_until

from jobdeck import Job, NotRunning, Queue, Registry, Settings, Stack, State, Worker, context, job, load_apps
from jobdeck.execution.stack_capture import INNERMOST, OUTERMOST
from jobdeck.execution.stack_trace import read_stack
from jobdeck.kinds.registry import REGISTRY
from jobdeck.store.notifier import Reply, SocketNotifier

HERE = __file__
TASKS = Path(__file__).parents[1] / "child_process_kinds.py"


@pytest.fixture
def kinds() -> Registry:
    return Registry()


@pytest.fixture
def queue(tmp_path: Path, kinds: Registry) -> Iterator[Queue]:
    settings = Settings(database=str(tmp_path / "jobs.db"), synchronous="OFF", shutdown_grace=3.0)
    with Queue(settings=settings, registry=kinds, random=Random(7)) as opened:
        yield opened


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """An event that the handlers wait for; it is set at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


def functions(stack: Stack) -> list[str]:
    return [call.function for call in stack.calls]


def stack_of(queue: Queue, made: Job, innermost: str) -> Stack:
    """Wait until the job is in this function and return its stack."""

    def found() -> Stack | None:
        if queue.get(made.id).state is not State.RUNNING:
            return None
        stack = queue.stack(made.id, timeout=10)
        return stack if innermost in functions(stack) else None

    stack: Stack = wait_until(found, what=f"a stack with {innermost}")
    return stack


def told(queue: Queue, made: Job, words: str) -> str:
    """Wait for these words in place of a stack and return the whole explanation."""

    def explanation() -> str:
        return queue.stack(made.id, timeout=10).reason if queue.get(made.id).state is State.RUNNING else ""

    wait_until(lambda: words in explanation(), what=words)
    return explanation()


# -- in this process ------------------------------------------------------------------------------------------------------


def test_the_stack_of_a_job_in_a_thread_starts_with_its_handler(queue: Queue, kinds: Registry, go: threading.Event) -> None:
    def inner() -> None:
        go.wait(30)  # here it is

    @job(name="outer", registry=kinds)
    def outer() -> None:
        inner()

    made = queue.enqueue(outer)
    with Worker(queue, threads=2) as worker:
        stack = stack_of(queue, made, "inner")
        go.set()
    assert functions(stack)[:2] == ["outer", "inner"]
    assert {call.file for call in stack.calls[:2]} == {HERE}
    assert [call.code for call in stack.calls[:2]] == ["inner()", "go.wait(30)  # here it is"]
    assert Path(HERE).read_text().split("\n")[stack.calls[1].line - 1].strip() == stack.calls[1].code
    assert functions(stack)[2:] == ["wait", "wait"]  # of the standard library
    assert (stack.worker, stack.pid, stack.reason, stack.omitted) == (worker.id, os.getpid(), "", 0)
    first, second, *_ = stack.text.split("\n")
    assert first == "Stack (most recent call last):"
    assert second == f'  File "{HERE}", line {stack.calls[0].line}, in outer'


def test_calls_into_jobdeck_are_omitted_from_the_stack(queue: Queue, kinds: Registry) -> None:
    @job(name="sleeper", registry=kinds)
    def sleeper() -> None:
        context().sleep(30)

    made = queue.enqueue(sleeper)
    with Worker(queue, threads=1) as worker:
        stack = stack_of(queue, made, "sleeper")
        worker.stop(grace=0.4)
    assert [(call.function, call.code) for call in stack.calls] == [("sleeper", "context().sleep(30)")]


def test_each_of_several_jobs_has_its_own_stack(queue: Queue, kinds: Registry, go: threading.Event) -> None:
    @job(name="one", registry=kinds)
    def one() -> None:
        go.wait(30)

    @job(name="two", registry=kinds)
    def two() -> None:
        go.wait(30)

    jobs = [queue.enqueue(kind) for kind in (one, two, one, two)]
    with Worker(queue, threads=4):
        found = [functions(stack_of(queue, made, made.kind))[0] for made in jobs]
        go.set()
    assert found == ["one", "two", "one", "two"]


def test_a_claimed_job_that_has_not_started_is_reported_as_waiting(queue: Queue, kinds: Registry, go: threading.Event) -> None:
    @job(name="quick", registry=kinds)
    def quick() -> None:
        pass

    begun = threading.Event()

    @job(name="slow", registry=kinds)
    def slow() -> None:
        begun.set()
        go.wait(30)

    queue.enqueue_bulk(quick, [{}] * 2000)  # these teach the worker to prefetch
    made = [queue.enqueue(slow) for _ in range(3)]
    with Worker(queue, threads=1):
        wait_until(begun.is_set)  # the queue shows the job as running as soon as it is claimed
        stacks = [queue.stack(each.id, timeout=10) for each in made if queue.get(each.id).state is State.RUNNING]
        go.set()
    assert functions(stacks[0])[0] == "slow"
    assert {stack.reason for stack in stacks[1:]} <= {"It is claimed and waits for a thread."}


def test_a_very_deep_stack_keeps_its_outer_and_inner_calls(queue: Queue, kinds: Registry, go: threading.Event) -> None:
    def down(left: int) -> None:
        if left:
            down(left - 1)
        else:
            go.wait(30)

    @job(name="deep", registry=kinds)
    def deep() -> None:
        down(300)

    made = queue.enqueue(deep)
    with Worker(queue, threads=1):
        stack = stack_of(queue, made, "wait")
        go.set()
    assert len(stack.calls) == OUTERMOST + INNERMOST
    assert stack.omitted == 1 + 301 + 2 - len(stack.calls)
    assert functions(stack)[0] == "deep"
    assert stack.text.split("\n").index(f"  [{stack.omitted} calls omitted]") == 1 + 2 * OUTERMOST


def test_the_stack_of_a_coroutine_shows_what_it_awaits(queue: Queue, kinds: Registry) -> None:
    go = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def inner() -> None:
        await go.wait()

    @job(name="awaiting", registry=kinds)
    async def awaiting() -> None:
        loops.append(asyncio.get_running_loop())
        await inner()

    made = queue.enqueue(awaiting)
    with Worker(queue, threads=1):
        stack = stack_of(queue, made, "inner")
        loops[0].call_soon_threadsafe(go.set)
    assert functions(stack) == ["awaiting", "inner", "wait"]
    assert [call.code for call in stack.calls[:2]] == ["await inner()", "await go.wait()"]


def test_the_stack_of_a_coroutine_that_blocks_the_loop_shows_where(queue: Queue, kinds: Registry, go: threading.Event) -> None:
    def blocks() -> None:
        go.wait(30)

    async def inner() -> None:
        blocks()

    @job(name="blocking", registry=kinds)
    async def blocking() -> None:
        await inner()

    made = queue.enqueue(blocking)
    with Worker(queue, threads=1):
        stack = stack_of(queue, made, "blocks")
        go.set()
    assert functions(stack)[:3] == ["blocking", "inner", "blocks"]


def test_a_command_has_no_stack_and_its_process_is_named(queue: Queue) -> None:
    made = queue.enqueue("shell", {"command": ["sleep", "60"]})
    with Worker(queue, threads=1) as worker:
        explanation = told(queue, made, "It runs a command, process ")
        pid = int(explanation.split("process ")[1].partition(";")[0])
        assert b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes() if Path("/proc/self").exists() else pid > 0
        worker.stop(grace=0.4)


# -- in other processes ---------------------------------------------------------------------------------------------------


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Queue]:
    """A queue with the kinds that child processes import."""
    load_apps([str(TASKS)])
    module = sys.modules[TASKS.stem].__name__
    known = Registry(REGISTRY.get(kind) for kind in REGISTRY.kinds if REGISTRY.get(kind).handler.__module__ == module)
    settings = Settings(database=str(tmp_path / "jobs.db"), app=(str(TASKS),), synchronous="OFF", shutdown_grace=3.0)
    with Queue(settings=settings, registry=known, random=Random(7)) as opened:
        yield opened


def test_the_stack_of_a_job_in_the_pool_is_read_in_its_child(apart: Queue, tmp_path: Path) -> None:
    note = tmp_path / "note"
    made = apart.enqueue("held", {"note": str(note)})
    with Worker(apart, threads=2, processes=1):
        stack = stack_of(apart, made, "hold")
        Path(f"{note}.go").touch()
    assert functions(stack)[:2] == ["held", "hold"]
    assert stack.pid == int(note.read_text())
    assert stack.pid != os.getpid()


def test_the_stack_of_an_isolated_job_is_read_in_its_process(apart: Queue, tmp_path: Path) -> None:
    note = tmp_path / "note"
    made = apart.enqueue("iso.spin", {"note": str(note)})
    with Worker(apart, threads=1) as worker:
        wait_until(note.exists)
        stack = stack_of(apart, made, "iso_spin")
        assert (functions(stack), stack.pid) == (["iso_spin"], int(note.read_text()))
        worker.stop(grace=0.4)


PROGRAM = """
import sys, threading
from jobdeck import Queue, Worker, load_apps
load_apps([sys.argv[1]])
with Queue(sys.argv[2]) as queue, Worker(queue, threads=1):
    threading.Event().wait()
"""


@pytest.fixture
def elsewhere(apart: Queue, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in another process."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", PROGRAM, str(TASKS), apart.where]
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.kill()
    process.wait()


def test_the_stack_of_a_job_in_another_process_is_available_here(
    apart: Queue, elsewhere: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    made = apart.enqueue("held", {"note": str(tmp_path / "note")})
    stack = stack_of(apart, made, "hold")
    assert functions(stack)[:2] == ["held", "hold"]
    assert stack.pid == elsewhere.pid
    assert stack.calls[0].file == str(TASKS)


def is_stopped(pid: int) -> bool:
    """Report whether every thread of the process has stopped."""
    about = [(task / "stat").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return all(each.rpartition(")")[2].split()[0] == "T" for each in about)


def test_a_process_that_does_not_reply_and_one_that_has_exited_are_named(
    apart: Queue, elsewhere: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    made = apart.enqueue("held", {"note": str(tmp_path / "note")})
    stack_of(apart, made, "hold")
    elsewhere.send_signal(signal.SIGSTOP)
    wait_until(lambda: is_stopped(elsewhere.pid))  # on a busy machine its threads may run a moment longer
    stack = apart.stack(made.id, timeout=0.1)
    assert (stack.calls, stack.text) == ((), "")
    expected = f"Process {elsewhere.pid} runs it and did not reply within 0.1 s; its code may be blocking the interpreter."
    assert stack.reason == expected
    elsewhere.kill()
    elsewhere.wait()
    expected = (
        f"Process {elsewhere.pid} of this machine runs it and did not reply; it may have exited, run another version of "
        "jobdeck, or belong to another user."
    )
    assert apart.stack(made.id).reason == expected


def test_a_job_on_another_machine_that_no_process_here_replies_for_names_that_machine() -> None:
    stack = read_stack(42, "web-9:4021:9f2c1a", 5.0, lambda *_: None, 1.0)
    assert stack.reason == "It runs on web-9, in process 4021; run `jobdeck stack 42` there."
    assert (stack.job_id, stack.worker, stack.at) == (42, "web-9:4021:9f2c1a", 5.0)


def test_a_job_in_a_process_of_this_machine_has_its_stack_after_the_machine_was_renamed() -> None:
    reply = '{"calls": [["a.py", 7, "work", "go()"]], "left_out": 0, "outer": 0, "pid": 4021}'
    stack = read_stack(42, "old-name:4021:9f2c1a", 5.0, lambda *_: reply, 1.0)
    assert (stack.reason, functions(stack), stack.pid) == ("", ["work"], 4021)


@pytest.mark.parametrize("answer", ["", "[]", "{}", '{"calls": [[1]]}', '{"calls": 3, "pid": 1}', "nonsense", "null"])
def test_an_unreadable_reply_is_explained_in_words(answer: str) -> None:
    stack = read_stack(1, f"{socket.gethostname()}:77:abc", 5.0, lambda *_: answer, 1.0)
    expected = "Process 77 runs it and sent an unreadable reply; it may run another version of jobdeck."
    assert (stack.reason, stack.calls) == (expected, ())


def test_a_job_that_does_not_run_has_no_stack(queue: Queue) -> None:
    made = queue.enqueue("shell", {"command": ["true"]})
    with pytest.raises(NotRunning, match=r"Job 1 is pending: only running jobs have a stack\."):
        queue.stack(made.id)


# -- requests and replies -------------------------------------------------------------------------------------------------


@pytest.fixture
def bell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SocketNotifier]:
    made = SocketNotifier(tmp_path / "jobs.db")
    yield made
    made.close()


def answering(text: str) -> Callable[[str, Reply], bool]:
    def answer(question: str, reply: Reply) -> bool:
        reply(f"{text}: {question}")
        return True

    return answer


def test_a_request_is_answered_by_its_addressee_and_notifications_continue(bell: SocketNotifier) -> None:
    rung = threading.Event()
    with bell.serve(lambda *_: False), bell.serve(answering("é")), bell.listen(lambda: None), bell.listen(rung.set):
        assert [bell.request(f"q{n}", 5) for n in range(5)] == [f"é: q{n}" for n in range(5)]
        assert not rung.is_set()
        bell.notify()
        assert rung.wait(5)


def test_a_notification_is_delivered_although_requests_fill_the_socket(bell: SocketNotifier) -> None:
    rung, go_on = threading.Event(), threading.Event()

    def slow(question: str, reply: Reply) -> bool:
        go_on.wait(20)
        return answering("a")(question, reply)

    with bell.serve(slow), bell.listen(rung.set):
        asking = [threading.Thread(target=bell.request, args=(f"q{n}", 20)) for n in range(30)]
        for each in asking:
            each.start()
        wait_until(lambda: socket_is_full(bell), what="more questions than there is room for")
        bell.notify()
        go_on.set()
        assert rung.wait(10)
        for each in asking:
            each.join(20)


def socket_is_full(bell: SocketNotifier) -> bool:
    """Report whether the socket of the only listener is full. The datagrams sent here carry no meaning."""
    (address,) = bell.folder.iterdir()
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        try:
            sender.sendmsg([b"?"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [theirs.fileno()]))], 0, str(address))
        except BlockingIOError:
            return True
    return False


def test_a_request_without_an_addressee_is_abandoned_at_once(bell: SocketNotifier) -> None:
    begun = time.monotonic()
    assert bell.request("q", 60) is None
    with bell.serve(lambda *_: False), bell.listen(lambda: None):
        assert bell.request("q", 60) is None
    with bell.listen(lambda: None):
        assert bell.request("q", 60) is None
    assert time.monotonic() - begun < 30


def test_a_reply_may_come_later_from_another_thread_and_a_missing_reply_times_out(
    bell: SocketNotifier,
) -> None:
    replies: list[Reply] = []

    def later(question: str, reply: Reply) -> bool:
        if question == "soon":
            threading.Timer(0.05, reply, ["here"]).start()
        else:
            replies.append(reply)
        return True

    with bell.serve(later), bell.listen(lambda: None):
        assert bell.request("soon", 10) == "here"
        with pytest.raises(TimeoutError):
            bell.request("never", 0.05)
        replies[0]("too late")  # the requester has given up: nothing is raised


def test_a_long_reply_arrives_complete(bell: SocketNotifier) -> None:
    with bell.serve(answering("x" * 150_000)), bell.listen(lambda: None):
        assert bell.request("q", 10) == "x" * 150_000 + ": q"


def test_a_bug_in_a_reply_loses_no_notification(bell: SocketNotifier, caplog: pytest.LogCaptureFixture) -> None:
    def broken(question: str, reply: Reply) -> bool:
        raise KeyError(question)

    rung = threading.Event()
    with bell.serve(broken), bell.listen(rung.set):
        assert bell.request("q", 10) is None
        bell.notify()
        assert rung.wait(5)
    assert "could not be answered" in caplog.text


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc")
def test_requests_leave_no_file_descriptors_open(bell: SocketNotifier) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    with bell.serve(answering("yes")), bell.listen(lambda: None), bell.listen(lambda: None):
        assert bell.request("first", 10)
        before = count()
        for _ in range(30):
            assert bell.request("q", 10)
        wait_until(lambda: count() <= before, what="the descriptors of before")
