"""Tests of the headline of a job: what it says of a job that was cancelled."""

from __future__ import annotations

from typing import Any

import pytest
from rich.style import Style
from tests.tui.cli_runner import CommandLine, eventually
from tests.tui.frozen_queue import FrozenQueue

from jobdeck import State, Worker
from jobdeck.model.attempt_result import Cancelled, Failed
from jobdeck.model.journal import Actor
from jobdeck_tui.feed.messages import Detail
from jobdeck_tui.feed.queries.job import JobFollower
from jobdeck_tui.text.format import ended_parents
from jobdeck_tui.widgets.job.job_title import JobTitle
from jobdeck_tui.widgets.job.lifecycle import lifecycle_steps


def followed(queue: FrozenQueue, job_id: int) -> Detail:
    """Return what the job screen receives."""
    follower = JobFollower(job_id)
    follower.poll(queue.queue)
    detail = follower.follow()
    assert detail is not None
    return detail


def headline(detail: Detail, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the two lines about the job."""
    plain: Any = lambda *_: Style()  # noqa: E731
    monkeypatch.setattr(JobTitle, "style", plain)
    monkeypatch.setattr(JobTitle, "state_style", plain)
    title = JobTitle(detail.job_id)
    title.show(detail)
    return ["".join(text for text, _ in title.draw(y, 100)) for y in (0, 1)]


def retried(still: FrozenQueue) -> int:
    """Return a job whose first attempt has failed and whose second one runs."""
    job = still.queue.enqueue("img.resize", {"path": "a.jpg"}, max_attempts=9)
    (claimed,) = still.claim(1)
    now = still.clock.now()
    still.store.completer.fail([Failed(claimed, now, now, now, "OSError", "disk full")])
    still.store.transitions.stage()
    still.claim(1)
    return job.id


def test_a_job_cancelled_while_running_is_not_headlined_by_the_error_of_an_earlier_attempt(
    still: FrozenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = retried(still)
    still.store.jobs.cancel([job_id], by=Actor("ann@web-1"))
    job, now = still.queue.get(job_id), still.clock.now()
    still.store.completer.cancel_running([Cancelled(job, now, now)])
    first, second = headline(followed(still, job_id), monkeypatch)
    assert "cancelled" in first
    assert "disk full" not in second
    assert "cancelled by ann@web-1 during attempt 2" in second


def test_a_job_cancelled_while_it_waited_for_its_next_attempt_names_who_did(
    still: FrozenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = still.queue.enqueue("img.resize", {"path": "a.jpg"}, max_attempts=9)
    (claimed,) = still.claim(1)
    now = still.clock.now()
    still.store.completer.fail([Failed(claimed, now, now, now + 60, "OSError", "disk full")])
    still.store.jobs.cancel([job.id], by=Actor("ann@web-1"))
    _, second = headline(followed(still, job.id), monkeypatch)
    assert second.startswith(" cancelled by ann@web-1 · ")


def test_a_failed_job_is_still_headlined_by_its_error(still: FrozenQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    job = still.queue.enqueue("img.resize", {"path": "a.jpg"}, max_attempts=1)
    (claimed,) = still.claim(1)
    now = still.clock.now()
    still.store.completer.fail([Failed(claimed, now, now, None, "OSError", "disk full")])
    assert "OSError: disk full" in headline(followed(still, job.id), monkeypatch)[1]


def test_a_job_cancelled_with_its_parent_names_the_parent(still: FrozenQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = still.queue.enqueue("img.resize", {"path": "a.jpg"}, max_attempts=1)
    child = still.queue.enqueue("img.resize", {"path": "b.jpg"}, after=[parent.id])
    (claimed,) = still.claim(1)
    now = still.clock.now()
    still.store.completer.fail([Failed(claimed, now, now, None, "OSError", "disk full")])
    detail = followed(still, child.id)
    assert f"cancelled · parent {parent.id} failed" in headline(detail, monkeypatch)[0]
    assert lifecycle_steps(detail)[-1].text == f"cancelled · parent {parent.id} failed"


def test_parents_that_ended_are_counted_if_they_are_many() -> None:
    assert ended_parents({1: State.COMPLETED, 2: State.FAILED, 3: State.CANCELLED, 4: None}) == (
        "parent 2 failed, parent 3 was cancelled, parent 4 was deleted"
    )
    assert ended_parents({1: State.CANCELLED, 2: State.CANCELLED}) == "parents 1 and 2 were cancelled"
    assert ended_parents(dict.fromkeys(range(1, 10), State.FAILED)) == "parents 1, 2, 3 and 6 others failed"
    assert ended_parents({1: State.COMPLETED}) == ""


@pytest.fixture
def deck(tmp_path: Any) -> CommandLine:
    return CommandLine(tmp_path)


def test_the_command_line_names_the_parent_and_the_age_of_the_error(deck: CommandLine) -> None:
    app = deck.tasks()
    deck.done("--app", app, "enqueue", "tasks.boom", "text=went wrong", "--max-attempts", "1")
    deck.done("run", "--after", "1", "--", "true")
    deck.work()
    assert "cancelled (parent 1 failed)" in deck.done("show", 2)
    deck.done("run", "--max-attempts", "3", "--", "false")
    with deck.queue() as queue, Worker(queue, threads=1):
        eventually(lambda: queue.get(3).state is State.RETRYING)
        queue.cancel(3)
    assert "earlier error" in deck.done("show", 3)
    assert "exit" not in deck.done("list", "state:cancelled")
