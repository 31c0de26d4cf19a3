"""Handlers get the same arguments and context however they run, and their results, errors and logs are stored alike."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.core.helpers import wait_until

from jobdeck import REGISTRY, Job, Queue, Registry, Settings, Worker, context, job, load_apps
from jobdeck.testing import drain, run_inline

APP = Path(__file__).with_name("same_handlers.py")
load_apps([str(APP)])
CASES: dict[Callable[..., Any], dict[str, Any]] = sys.modules[APP.stem].CASES
WAYS = ("thread", "async", "isolated", "pool", "drain", "inline")

Record = dict[str, Any]


def _kinds(*prefixes: str) -> Registry:
    return Registry(REGISTRY.get(kind) for kind in REGISTRY.kinds if kind.partition(".")[0] in prefixes)


def _stored(queue: Queue, made: Job) -> Record:
    (attempt,) = queue.attempts(made.id)
    job = queue.get(made.id)
    return {
        "outcome": str(attempt.outcome),
        "result": job.result,
        "error": (attempt.error_type, attempt.message),
        "traceback": _frames(attempt.traceback),
        "reason": job.reason,
        "retry_in": None if job.state.is_final else round((job.scheduled_at - (attempt.finished_at or 0)) / 50) * 50,
        "log": [(line.level, _plain(line.text)) for line in queue.logs(job.id)],
    }


def _inline(handler: Callable[..., Any], args: dict[str, Any]) -> Record:
    ran = run_inline(f"same_plain.{handler.__name__}", args, raise_errors=False)
    return {
        "outcome": str(ran.outcome),
        "result": ran.result,
        "reason": ran.reason,
        "retry_in": None if ran.retry_in is None else round(ran.retry_in / 50) * 50,
        "log": [(level, _plain(text)) for level, text in ran.log],
    }


def _plain(text: str) -> str:
    """Return the text without what differs between two runs by nature: the stack below the handler."""
    return re.sub(r'File "[^"]*", line \d+', "File", text)


def _frames(traceback: str | None) -> list[str]:
    """Return the functions of the traceback and its last line, without the wrapper that makes a handler `async`."""
    lines = (traceback or "").splitlines()
    names = [found[1] for line in lines if (found := re.search(r"line \d+, in (\w+)", line))]
    return [*(name for name in names if name != "wrapper"), *lines[-1:]]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Record]]]:
    """Run every handler in every way: way → handler → what is left of its job."""
    database = str(tmp_path_factory.mktemp("same") / "jobs.db")
    settings = Settings(database=database, app=(str(APP),), synchronous="OFF", shutdown_grace=3.0)
    with Queue(settings=settings, registry=_kinds("same_plain", "same_async", "same_isolated")) as queue:

        def enqueue(prefix: str) -> dict[str, Job]:
            return {each.__name__: queue.enqueue(f"{prefix}.{each.__name__}", args) for each, args in CASES.items()}

        def wait(*ways: dict[str, Job]) -> None:
            jobs = [job.id for way in ways for job in way.values()]
            wait_until(lambda: all(map(queue.attempts, jobs)) and not queue.count("state:running"), 60, "the end of all jobs")

        made = {"drain": enqueue("same_plain")}
        drain(queue, raise_errors=False)
        made |= {"thread": enqueue("same_plain"), "async": enqueue("same_async"), "isolated": enqueue("same_isolated")}
        with Worker(queue, threads=1):
            wait(*made.values())
        made["pool"] = enqueue("same_plain")
        with Worker(queue, threads=1, processes=1):
            wait(made["pool"])
        yield {way: {name: _stored(queue, job) for name, job in jobs.items()} for way, jobs in made.items()} | {
            "inline": {each.__name__: _inline(each, args) for each, args in CASES.items()}
        }


@pytest.mark.parametrize("name", [each.__name__ for each in CASES])
def test_a_handler_is_treated_alike_in_every_way_to_run_it(records: dict[str, dict[str, Record]], name: str) -> None:
    expected = records["thread"][name]
    for way in WAYS:
        assert records[way][name] == {key: expected[key] for key in records[way][name]}, way


def test_the_handlers_are_many() -> None:
    assert len(CASES) >= 30


def test_a_handler_that_is_run_inline_has_the_kind_that_it_would_be_registered_as() -> None:
    def handler() -> str:
        return context().kind

    known = Registry()
    job(registry=known)(handler)
    assert run_inline(handler, registry=Registry()).result == known.kind_of(handler)
