"""The worker's log names every attempt: when it starts, and how it ends."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tests.core.helpers import Bench, wait_until

from jobdeck import Job, Queue, Registry, Settings, Snooze, State, Worker, context, format_fields, load_apps, record_fields
from jobdeck.execution.job_log import JobLog
from jobdeck.kinds.registry import REGISTRY, job
from jobdeck.maintenance.loop import MaintenanceLoop
from jobdeck.model.attempt_result import Completed
from jobdeck.model.errors import GiveUp

TASKS = Path(__file__).parents[1] / "child_process_kinds.py"


class Lines(logging.Handler):
    """Collects the fields of each record that has some, with its message and level."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[dict[str, object]] = []

    def emit(self, record: logging.LogRecord) -> None:
        message, fields = record_fields(record)
        if fields:
            self.all.append({"level": record.levelname, "message": message, **fields})

    def of(self, made: Job) -> list[dict[str, object]]:
        return [line for line in self.all if line.get("job") == made.id]


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler, root = Lines(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel("INFO")
    yield handler
    root.removeHandler(handler)
    root.setLevel(before)


@pytest.fixture
def kinds() -> Registry:
    return Registry()


@pytest.fixture
def queue(address: str, kinds: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setattr("jobdeck.execution.executor.compute_delay", lambda attempt, random: 0.25)
    settings = Settings(database=address, synchronous="OFF", lease=5.0, shutdown_grace=0.5)
    with Queue(settings=settings, registry=kinds, random=Random(7)) as opened:
        yield opened


def test_every_attempt_has_a_line_for_its_start_and_one_for_its_end(queue: Queue, kinds: Registry, lines: Lines) -> None:
    @job(name="good", registry=kinds)
    def good() -> None:
        logging.getLogger("shop").info("in the shop")
        context().log.warning("careful")

    @job(name="quick", registry=kinds)
    async def quick() -> None:
        logging.getLogger("shop").info("in the loop")

    @job(name="bad", max_attempts=2, registry=kinds)
    def bad() -> None:
        raise ValueError('no "luck"\ntoday')

    @job(name="hopeless", registry=kinds)
    def hopeless() -> None:
        raise GiveUp("never")

    @job(name="later", registry=kinds)
    def later() -> None:
        if context().attempt == 1 and not queue.attempts(context().job_id)[:-1]:
            raise Snooze(0.05)

    @job(name="slow", max_attempts=1, registry=kinds)
    def slow() -> None:
        context().sleep(20)

    made = {kind: queue.enqueue(kind) for kind in ("good", "quick", "bad", "hopeless", "later")}
    timed = queue.enqueue("slow", timeout=0.1)
    failing = queue.enqueue("shell", {"command": ["sh", "-c", "echo oh no >&2; exit 3"]}, max_attempts=1)
    silent = queue.enqueue("shell", {"command": ["sh", "-c", "exit 4"]}, max_attempts=1)
    stopped = queue.enqueue("slow")
    with Worker(queue, threads=4):
        wait_until(lambda: queue.get(stopped.id).state is State.RUNNING)
        queue.cancel(stopped.id)
        for each in (*made.values(), timed, failing, silent, stopped):
            queue.wait(each.id, timeout=20, every=0.01)
        released = queue.enqueue("slow")
        wait_until(lambda: lines.of(released))  # it has started, not only been claimed

    def ends(made: Job) -> list[dict[str, object]]:
        common = {"level": "INFO", "job": made.id, "kind": made.kind, "max_attempts": made.max_attempts}
        found = lines.of(made)
        assert all(line.items() >= {k: v for k, v in common.items() if k != "level"}.items() for line in found)
        starts = [line for line in found if line["message"] == "started"]
        finished = [line for line in found if line["message"] == "finished"]
        assert [line["attempt"] for line in starts] == [line["attempt"] for line in finished]
        assert all(isinstance(line.pop("took"), float) for line in finished)
        return [
            {name: value for name, value in line.items() if name not in (*common, "message", "attempt")} for line in finished
        ]

    assert ends(made["good"]) == [{"outcome": "completed"}]
    assert [(line["message"], line["level"], line["attempt"]) for line in lines.of(made["good"])][1:3] == [
        ("in the shop", "INFO", 1),
        ("careful", "WARNING", 1),
    ]
    assert ends(made["quick"]) == [{"outcome": "completed"}]
    assert lines.of(made["quick"])[1]["message"] == "in the loop"
    error = 'ValueError: no "luck" today'
    assert ends(made["bad"]) == [
        {"outcome": "failed", "error": error, "retry_in": 0.25},
        {"outcome": "failed", "error": error, "reason": "attempts exhausted"},
    ]
    assert ends(made["hopeless"]) == [{"outcome": "failed", "error": "GiveUp: never", "reason": "given up"}]
    assert [line["outcome"] for line in ends(made["later"])] == ["snoozed", "completed"]
    assert [line["outcome"] for line in ends(timed)] == ["timed out"]
    assert ends(failing) == [{"outcome": "failed", "error": "exit code 3: oh no", "reason": "attempts exhausted"}]
    assert ends(silent) == [{"outcome": "failed", "error": "exit code 4", "reason": "attempts exhausted"}]
    assert ends(stopped) == [{"outcome": "cancelled"}]
    assert ends(released) == [{"outcome": "released"}]
    # The log of a job holds what its code logged, and not the lines about it.
    assert [line.text for line in queue.logs(made["good"].id)] == ["in the shop", "careful"]


def test_a_late_result_is_logged_as_a_warning_with_its_outcome(queue: Queue, kinds: Registry, lines: Lines) -> None:
    go, started = threading.Event(), threading.Event()

    @job(name="stalls", registry=kinds)
    def stalls() -> None:
        started.set()
        go.wait(20)

    made = queue.enqueue("stalls")
    with Worker(queue, threads=1):
        assert started.wait(20)
        claimed = queue.get(made.id)
        queue.store.completer.complete([Completed(claimed, 0.0, 1.0)])  # as another worker with this lease would
        go.set()
        wait_until(lambda: any(line.get("late") for line in lines.of(made)))
    (late,) = [line for line in lines.of(made) if line.get("late")]
    assert (late["level"], late["outcome"]) == ("WARNING", "completed")
    assert "was lost" in str(late["message"])


def test_a_rescued_job_is_logged_as_crashed_by_its_rescuer(bench: Bench, lines: Lines) -> None:
    made = bench.running()
    bench.clock.advance(31)
    assert MaintenanceLoop(bench.store, Settings(), bench.clock).run_due_tasks() == [made.id]
    (line,) = lines.of(made)
    assert line == {
        "level": "INFO",
        "message": "finished",
        "job": made.id,
        "kind": made.kind,
        "attempt": 1,
        "max_attempts": 3,
        "outcome": "crashed",
        "state": "pending",
        "worker": "w1",
    }


def test_jobs_in_child_processes_and_what_they_log_have_the_same_lines(
    address: str, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_apps([str(TASKS)])
    known = Registry(REGISTRY.get(kind) for kind in ("talk", "vanish"))
    settings = Settings(database=address, app=(str(TASKS),), synchronous="OFF", shutdown_grace=3.0)
    with Queue(settings=settings, registry=known, random=Random(7)) as queue:
        talks = queue.enqueue("talk", max_attempts=1)
        dies = queue.enqueue("vanish", {"note": os.devnull}, max_attempts=1)
        with Worker(queue, threads=1, processes=1):
            for each in (talks, dies):
                queue.wait(each.id, timeout=20, every=0.01)
    assert [line["message"] for line in lines.of(talks)] == ["started", "warned 1", "finished"]
    assert [line.get("outcome") for line in lines.of(dies)] == [None, "crashed"]


def test_above_its_limit_the_log_counts_the_lines_that_it_omits_and_still_names_every_failure(
    queue: Queue, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("jobdeck.execution.job_log.time.monotonic", lambda: now[0])
    monkeypatch.setattr("jobdeck.execution.job_log.LINES_PER_SECOND", 3)
    made = queue.enqueue("shell", {"command": ["true"]})
    log = JobLog()
    log.refresh()
    for _ in range(5):
        log.log_start(made)
    log.log_ends([Completed(made, 0.0, 1.0)], ())
    assert len(lines.all) == 3
    now[0] += 1
    log.refresh()
    assert lines.all[3:] == [
        {"level": "INFO", "message": "omitted lines about jobs that started or completed", "lines": 3},
    ]


def test_fields_are_formatted_so_that_a_program_can_split_them() -> None:
    fields = {"job": 301, "kind": "shell", "attempt": 1, "max_attempts": 3, "outcome": "timed out", "took": 1.234}
    assert format_fields({**fields, "error": 'exit "3"\n'}) == (
        'job=301 kind=shell attempt=1/3 outcome="timed out" took=1.2s error="exit \\"3\\"\\n"'
    )
    assert format_fields({"took": 0.00123, "late": True}) == "took=0.001s late=yes"
    assert os.linesep not in format_fields({"kind": "a\nb"})
