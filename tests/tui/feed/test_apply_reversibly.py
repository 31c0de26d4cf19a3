"""Actions on a few jobs: applied at once if z can undo them, and asked about otherwise."""

from __future__ import annotations

from typing import Any

from tests.core.helpers import wait_until
from tests.tui.frozen_queue import FrozenQueue
from textual.message import Message

from jobdeck import Operation, OperationResult, State
from jobdeck_tui.feed.feed import Feed
from jobdeck_tui.feed.job_actions import CANCEL, DELETE, ActionPreview, JobAction, apply_reversibly
from jobdeck_tui.feed.messages import ActionFinished, Reply


def running(few: FrozenQueue, n: int = 1) -> list[int]:
    return [job.id for job in few.claim(n)]


def test_queued_jobs_are_cancelled_at_once(few: FrozenQueue) -> None:
    done = apply_reversibly(few.queue, CANCEL, [4, 5])
    assert isinstance(done, OperationResult)
    assert done.done == (4, 5)
    assert few.queue.get(4).state is State.CANCELLED


def test_nothing_changes_before_the_user_has_agreed_to_stop_running_jobs(few: FrozenQueue) -> None:
    (stopped,) = running(few)
    entries = len(few.queue.journal.entries())
    asked = apply_reversibly(few.queue, CANCEL, [1, 4, 5, 6, 99])
    assert isinstance(asked, ActionPreview)
    assert (asked.irreversible, len(asked.ids), asked.affected, asked.refused, asked.missing) == (
        1, 3, {State.RUNNING: 1, State.PENDING: 2}, {State.FAILED: 1}, 1,
    )  # fmt: skip
    assert {job.state for job in few.queue.get_many([5, 6])} == {State.PENDING}
    assert not few.queue.get(stopped).cancelling
    assert len(few.queue.journal.entries()) == entries


def test_a_job_that_was_asked_to_stop_is_not_asked_about_again(few: FrozenQueue) -> None:
    first, second = running(few, 2)
    few.queue.cancel(first)
    assert apply_reversibly(few.queue, CANCEL, [first]) == f"Job {first} has already been asked to stop"
    assert isinstance(apply_reversibly(few.queue, CANCEL, [first, second]), ActionPreview)
    few.queue.cancel(second)
    assert apply_reversibly(few.queue, CANCEL, [first, second]) == "These 2 jobs have already been asked to stop"


def test_other_actions_that_z_can_undo_are_applied_to_what_allows_them(few: FrozenQueue) -> None:
    (stopped,) = running(few)
    for action in (JobAction(Operation.REPRIORITIZE, 3), DELETE):
        done = apply_reversibly(few.queue, action, [stopped, 5])
        assert isinstance(done, OperationResult)
        assert (done.done, [*done.refused]) == ((5,), [stopped])


def test_z_says_that_a_running_job_cannot_be_restored(few: FrozenQueue) -> None:
    (stopped,) = running(few)
    said: list[Message] = []
    feed = Feed(few.queue, lambda message: said.append(message) or True, threads=0)  # type: ignore[func-returns-value]
    feed.start()
    try:
        feed.run_action(CANCEL, [stopped], lambda preview: None)
        wait_until(lambda: [each for each in said if isinstance(each, Reply)], what="the question")
        feed.run_action(CANCEL, [stopped])
        wait_until(lambda: few.queue.get(stopped).cancelling)
        feed.undo()

        def refused() -> list[Any]:
            return [each.text for each in said if isinstance(each, ActionFinished) and each.failed]

        wait_until(refused, what="the refusal of the undo")
    finally:
        feed.end()
    assert refused() == [f"Not undone: cancelled job {stopped}. Job {stopped} was running, and its code was asked to stop."]
    (question,) = [each.value for each in said if isinstance(each, Reply)]
    assert question.irreversible == 1
