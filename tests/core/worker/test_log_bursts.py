"""A burst of output waits until the log has taken it; nothing of the promised size is dropped, and jobs can be stopped."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tests.core.helpers import wait_until

from jobdeck import Job, Outcome, Queue, Registry, Settings, State, Worker, context, load_apps
from jobdeck.kinds.registry import REGISTRY, job
from jobdeck.model.errors import StoreBusy

TASKS = Path(__file__).parents[1] / "log_burst_kinds.py"
LINES = 300_000
"""About 2 MB of numbers, more than the buffer of an attempt holds."""


@pytest.fixture
def kinds() -> Registry:
    load_apps([str(TASKS)])
    names = [kind for kind in REGISTRY.kinds if REGISTRY.get(kind).handler.__module__ == TASKS.stem]
    return Registry(REGISTRY.get(kind) for kind in names)


@pytest.fixture
def queue(address: str, kinds: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setattr("jobdeck.execution.context.STOP_GRACE", 0.5)
    settings = Settings(database=address, app=(str(TASKS),), synchronous="OFF", shutdown_grace=3.0)
    with Queue(settings=settings, registry=kinds, random=Random(7)) as opened:
        yield opened


def run(queue: Queue, made: Job, processes: int = 0) -> Job:
    with Worker(queue, threads=2, processes=processes):
        return queue.wait(made.id, timeout=60, every=0.01)


def stream(queue: Queue, made: Job, level: str = "out") -> str:
    return "".join(
        line.text + ("" if line.unfinished else "\n") for line in queue.logs(made.id, limit=2**31) if line.level == level
    )


def numbers(last: int, first: int = 1) -> str:
    return "".join(f"{n}\n" for n in range(first, last + 1))


@pytest.mark.parametrize("processes", [0, 1])
def test_a_burst_of_output_of_a_command_is_stored_whole_and_the_streams_apart(queue: Queue, processes: int) -> None:
    made = queue.enqueue("shell", {"command": [f"seq 1 {LINES} & seq 1 {LINES} >&2; wait"], "shell": True})
    assert run(queue, made, processes).state is State.COMPLETED
    assert stream(queue, made) == numbers(LINES)
    assert stream(queue, made, "err") == numbers(LINES)
    assert {line.level for line in queue.logs(made.id, limit=2**31)} == {"out", "err"}


@pytest.mark.parametrize("kind", ["bursts.prints", "bursts.prints_apart"])
def test_a_burst_printed_by_a_handler_in_a_child_process_is_stored_whole(queue: Queue, kind: str) -> None:
    made = queue.enqueue(kind, {"lines": LINES})
    assert run(queue, made, processes=1).state is State.COMPLETED
    assert stream(queue, made) == numbers(LINES)


def test_what_an_isolated_job_prints_without_a_newline_is_its_own(queue: Queue) -> None:
    made = [queue.enqueue("bursts.half_a_line", {"text": text}) for text in ("one", "two")]
    with Worker(queue, threads=1):
        for each in made:
            queue.wait(each.id, timeout=60, every=0.01)
    assert [stream(queue, each) for each in made] == ["one", "two"]


@pytest.mark.parametrize("processes", [0, 1])
def test_a_burst_logged_by_a_handler_is_stored_whole(queue: Queue, processes: int) -> None:
    made = queue.enqueue("bursts.logs", {"lines": 2000})
    assert run(queue, made, processes).state is State.COMPLETED
    assert [int(line.text[:8]) for line in queue.logs(made.id)] == [*range(2000)]


def test_a_burst_logged_by_an_async_handler_is_stored_whole(queue: Queue) -> None:
    made = queue.enqueue("bursts.logs_async", {"lines": 2000})
    assert run(queue, made).state is State.COMPLETED
    assert [int(line.text[:8]) for line in queue.logs(made.id)] == [*range(2000)]


def test_a_burst_waits_for_a_slow_store(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    append, stored = queue.store.logs.append, []

    def slow(lines: list[tuple[int, int, float, str, str]], keep_bytes: int) -> None:
        time.sleep(0.2)
        stored.append(sum(len(line[4]) for line in lines))
        append(lines, keep_bytes)

    monkeypatch.setattr(queue.store.logs, "append", slow)
    made = queue.enqueue("shell", {"command": ["seq", "1", str(2 * LINES)]})
    assert run(queue, made).state is State.COMPLETED
    assert stream(queue, made) == numbers(2 * LINES)
    assert max(stored) < 3 << 20, "the output was buffered, and the command did not wait"


def test_a_line_longer_than_any_buffer_is_stored_in_pieces_that_make_one_line(queue: Queue) -> None:
    code = "import sys; sys.stdout.write('x' * 20_000_000 + '\\nlast')"
    made = queue.enqueue("shell", {"command": [sys.executable, "-c", code]})
    assert run(queue, made).state is State.COMPLETED
    text = stream(queue, made)
    assert 7 << 20 < len(text) <= 8 << 20  # the newest 8 MB
    assert text == "x" * (len(text) - 5) + "\nlast"


@pytest.mark.parametrize("processes", [0, 1])
@pytest.mark.parametrize("how", ["cancelled", "timed out"])
def test_a_command_whose_output_waits_can_be_stopped(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str, processes: int
) -> None:
    def away(lines: object, keep_bytes: int) -> None:
        raise StoreBusy(queue.where, 0.1)

    append = queue.store.logs.append
    monkeypatch.setattr(queue.store.logs, "append", away)
    command = ["yes", str(tmp_path)]
    made = queue.enqueue("shell", {"command": command}, timeout=1.0 if how == "timed out" else None, max_attempts=1)
    with Worker(queue, threads=2, processes=processes):
        (process,) = wait_until(lambda: running(command))
        if how == "cancelled":
            wait_until(lambda: all(state(process) == "S" for _ in range(50)), what="the wait for a full pipe")
            queue.cancel(made.id)
        wait_until(lambda: not running(command), what="the end of the command")
        monkeypatch.setattr(queue.store.logs, "append", append)
        done = queue.wait(made.id, timeout=20, every=0.01)
    assert done.state is (State.CANCELLED if how == "cancelled" else State.FAILED)
    assert queue.attempts(made.id)[-1].outcome is (Outcome.CANCELLED if how == "cancelled" else Outcome.TIMED_OUT)


def state(process: Path) -> str:
    """Return the state of a process; `Z` if it is gone."""
    try:
        return (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def running(command: list[str]) -> list[Path]:
    """Return the folders in /proc of the processes that run this command."""
    wanted = "".join(f"{word}\0" for word in command).encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cmdline").read_bytes() == wanted and state(process) != "Z":
                found.append(process)
    return found


def test_a_handler_that_logs_while_the_database_is_away_continues_and_its_newest_lines_are_kept(
    queue: Queue, kinds: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobdeck.execution.log_buffer.PATIENCE", 0.2)
    append = queue.store.logs.append

    def away(lines: object, keep_bytes: int) -> None:
        raise StoreBusy(queue.where, 0.1)

    @job(name="away", max_attempts=1, registry=kinds)
    def log_much() -> None:
        monkeypatch.setattr(queue.store.logs, "append", away)
        for n in range(1200):
            context().log.info("%08d %s", n, "." * 10_000)
        monkeypatch.setattr(queue.store.logs, "append", append)

    made = queue.enqueue("away")
    assert run(queue, made).state is State.COMPLETED
    kept = [int(line.text[:8]) for line in queue.logs(made.id)]
    assert kept == [*range(kept[0], 1200)]
    assert len(kept) > 800
