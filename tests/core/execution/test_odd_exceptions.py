"""Exceptions and results that resist being read end their own attempt, by its policy, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from jobdeck import AppImportError, Job, Queue, Reason, Registry, Settings, State, Worker, load_apps
from jobdeck.kinds.registry import REGISTRY

ODD_EXCEPTIONS = Path(__file__).parents[1] / "odd_exceptions.py"
load_apps([str(ODD_EXCEPTIONS)])
ODD = sys.modules[ODD_EXCEPTIONS.stem].ODD
HOW = ["thread", "async", "isolated"]
MESSAGES = {
    "text": "NoText: (its text cannot be read)",
    "exit-text": "ExitingText: (its text cannot be read)",
    "trap-text": "TrapText: a trap",
    "metaclass": "MetaTrap",
    "class": "LyingClass",
    "pretends-to-snooze": "PretendsToSnooze",
    "chain": f"ValueError: number {2999}",
    "links": "OddLinks",
    "no-seconds": "NoSeconds: no seconds",
}


@pytest.fixture(scope="module")
def kinds() -> Registry:
    module = sys.modules[ODD_EXCEPTIONS.stem].__name__
    return Registry(REGISTRY.get(kind) for kind in REGISTRY.kinds if REGISTRY.get(kind).handler.__module__ == module)


@pytest.fixture
def queue(tmp_path: Path, kinds: Registry) -> Iterator[Queue]:
    settings = Settings(database=str(tmp_path / "jobs.db"), app=(str(ODD_EXCEPTIONS),), synchronous="OFF", shutdown_grace=3.0)
    with Queue(settings=settings, registry=kinds, random=Random(7)) as opened:
        yield opened


def finish(queue: Queue, *jobs: Job, processes: int = 0) -> list[Job]:
    with Worker(queue, threads=1, processes=processes):
        return [queue.wait(each.id, timeout=30, every=0.01) for each in jobs]


@pytest.mark.parametrize("how", [*HOW, "pool"])
def test_an_exception_that_resists_being_read_fails_its_job_and_the_only_thread_goes_on(queue: Queue, how: str) -> None:
    kind = "odd.thread" if how == "pool" else f"odd.{how}"
    odd = [queue.enqueue(kind, {"what": what}) for what in ODD]
    last = queue.enqueue("odd.innocent", {"number": 7})
    *failed, done = finish(queue, *odd, last, processes=1 if how == "pool" else 0)
    states = {what: each.state for what, each in zip(ODD, failed, strict=True)}
    assert states == dict.fromkeys(ODD, State.FAILED)
    errors = {what: each.error or "" for what, each in zip(ODD, failed, strict=True)}
    assert {what: errors[what][: len(text)] for what, text in MESSAGES.items()} == MESSAGES
    assert all(len(error) < 11_000 for error in errors.values())
    tracebacks = {what: queue.attempts(each.id)[-1].traceback for what, each in zip(ODD, failed, strict=True)}
    assert {what for what, text in tracebacks.items() if not text} == {"give-up-without-text"}
    assert "in _raise" in (tracebacks["attributes"] or "")
    assert "earlier exceptions are not shown" in (tracebacks["chain"] or "")
    assert (done.state, done.result) == (State.COMPLETED, 7)


def test_the_policy_holds_for_an_exception_that_cannot_be_read_or_whose_class_was_loaded_twice(queue: Queue) -> None:
    kinds = ["declined.thread", "declined.async", "declined.isolated", "unlisted.isolated", "reloaded.isolated"]
    declined = finish(queue, *(queue.enqueue(kind) for kind in kinds))
    expected = (State.FAILED, 1, Reason.GIVEN_UP)
    assert {each.kind: (each.state, each.attempt, each.reason) for each in declined} == dict.fromkeys(kinds, expected)


def test_a_result_that_exits_when_it_is_written_is_dropped_with_a_warning(queue: Queue) -> None:
    done = finish(queue, *(queue.enqueue(f"result.{how}") for how in HOW))
    assert [(each.state, each.result) for each in done] == [(State.COMPLETED, None)] * 3
    assert all(any("result was not stored" in line.text for line in queue.logs(each.id)) for each in done)


def test_an_app_whose_import_raises_an_exception_that_cannot_be_read_is_refused_in_one_sentence(tmp_path: Path) -> None:
    app = tmp_path / "unreadable_app.py"
    app.write_text("class Odd(BaseException):\n    def __str__(self):\n        raise SystemExit\n\nraise Odd\n")
    with pytest.raises(
        AppImportError, match=r"importing it raised Odd: \(its text cannot be read\) \(.*unreadable_app\.py, line 5\)\.$"
    ):
        load_apps([str(app)])
