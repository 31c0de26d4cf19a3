"""A program's changes to `logging` silence neither the log of a job nor that of the worker, and end no thread of it."""

from __future__ import annotations

import io
import logging
import logging.config
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.core.helpers import wait_until

from jobdeck import Job, Queue, Registry, Settings, State, Worker, context
from jobdeck.kinds.registry import job


class Refuses(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise SystemExit("no logs")


def closed_stream() -> None:
    stream = io.StringIO()
    logging.getLogger().addHandler(logging.StreamHandler(stream))
    stream.close()


CHANGES: dict[str, Callable[[], object]] = {
    "dictConfig": lambda: logging.config.dictConfig({"version": 1}),
    "dictConfig of the root": lambda: logging.config.dictConfig({"version": 1, "root": {"level": "ERROR", "handlers": []}}),
    "basicConfig": lambda: logging.basicConfig(force=True, level="ERROR"),
    "shutdown": logging.shutdown,
    "removed handlers": lambda: [logging.root.removeHandler(each) for each in logging.root.handlers[:]],
    "disabled": lambda: setattr(logging.getLogger("jobdeck.job"), "disabled", True),
    "disable": lambda: logging.disable(logging.CRITICAL),
    "raising handler": lambda: logging.root.addHandler(Refuses()),
    "closed stream": closed_stream,
}


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Restore the logging of the test run."""
    handlers, level = logging.root.handlers[:], logging.root.level
    loggers = {
        each for each in logging.root.manager.loggerDict.values() if isinstance(each, logging.Logger) and not each.disabled
    }
    raises, logging.raiseExceptions = logging.raiseExceptions, False
    yield
    logging.raiseExceptions = raises
    logging.disable(logging.NOTSET)
    logging.root.handlers[:], logging.root.level = handlers, level
    for each in loggers:
        each.disabled = False


@pytest.fixture
def kinds() -> Registry:
    return Registry()


@pytest.fixture
def queue(tmp_path: Path, kinds: Registry) -> Iterator[Queue]:
    with Queue(settings=Settings(database=str(tmp_path / "jobs.db"), synchronous="OFF"), registry=kinds) as opened:
        yield opened


def texts(queue: Queue, made: Job) -> list[str]:
    return [line.text for line in queue.logs(made.id)]


@pytest.mark.parametrize("what", CHANGES)
def test_the_log_of_a_job_survives_a_change_of_logging_by_a_job(queue: Queue, kinds: Registry, what: str) -> None:
    @job(name="changes", max_attempts=1, registry=kinds)
    def changes() -> None:
        CHANGES[what]()
        context().log.debug("still logged")

    @job(name="logs", max_attempts=1, registry=kinds)
    def logs() -> None:
        context().log.debug("its own")
        if what not in ("disable", "raising handler"):
            logging.getLogger(f"new.after.{what}").critical("another logger")

    first, second = queue.enqueue("changes"), queue.enqueue("logs")
    with Worker(queue, threads=1):
        done = [queue.wait(each.id, timeout=20, every=0.01) for each in (first, second)]
    assert [each.state for each in done] == [State.COMPLETED] * 2
    assert texts(queue, first) == ["still logged"]
    assert texts(queue, second)[:1] == ["its own"]
    assert what in ("disable", "raising handler") or texts(queue, second)[1:] == ["another logger"]


def test_the_log_of_the_worker_is_not_disabled_with_the_loggers_of_the_program() -> None:
    logging.config.dictConfig({"version": 1})
    seen: list[str] = []

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())

    logging.root.addHandler(Notes())
    logging.getLogger("jobdeck.worker").error("heard")
    assert seen == ["heard"]


def test_a_handler_of_the_program_that_raises_ends_no_thread_of_the_worker(queue: Queue, kinds: Registry) -> None:
    release = threading.Event()

    @job(name="slow", max_attempts=1, registry=kinds)
    def slow() -> None:
        release.wait(20)

    logging.root.addHandler(Refuses())
    with Worker(queue, threads=1) as worker:
        made = queue.enqueue("slow")
        wait_until(lambda: queue.get(made.id).state is State.RUNNING)
        logging.getLogger("jobdeck.worker").error("raises nothing")
        queue.cancel(made.id)
        release.set()
        assert queue.wait(made.id, timeout=20, every=0.01).state in (State.COMPLETED, State.CANCELLED)
        assert worker.last_error is None


def test_a_record_that_cannot_be_formatted_is_logged_as_such(queue: Queue, kinds: Registry) -> None:
    class Odd:
        def __str__(self) -> str:
            raise ValueError("no text")

    @job(name="odd", max_attempts=1, registry=kinds)
    def odd() -> None:
        context().log.error("%s and %s", Odd(), 1)

    made = queue.enqueue("odd")
    with Worker(queue, threads=1):
        assert queue.wait(made.id, timeout=20, every=0.01).state is State.COMPLETED
    assert texts(queue, made) == ["(a log record that cannot be formatted: ValueError: no text)"]
