"""A deploy that changes the signature of a handler: jobs of one version meet workers of the other, and none is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from tests.core.helpers import wait_until

from jobdeck import ArgumentsMismatch, Job, Outcome, Queue, Reason, Registry, Settings, State, Worker, job
from jobdeck.testing import FrozenClock, drain

HOUR = 3600.0


@pytest.fixture
def versions(address: str) -> Iterator[Callable[..., Queue]]:
    """Open the queue with another version of the program: the handler of the kind `mail`, and its options."""
    opened: list[Queue] = []
    clock = FrozenClock()

    def version(handler: Callable[..., Any], **options: Any) -> Queue:
        known = Registry()
        job(name="mail", registry=known, **options)(handler)
        opened.append(Queue(settings=Settings(database=address, synchronous="OFF"), registry=known, clock=clock))
        return opened[-1]

    yield version
    for queue in opened:
        queue.close()


def one(to: str) -> str:
    return to


def two(to: str, cc: str = "nobody") -> str:
    return f"{to} {cc}"


def three(to: str, cc: str) -> str:
    return f"{to} and {cc}"


def run(queue: Queue, made: Job, **options: Any) -> Job:
    drain(queue, raise_errors=False, **options)
    return queue.get(made.id)


@pytest.mark.parametrize(
    ("producer", "args", "worker", "result"),
    [
        (one, {"to": "ann"}, two, "ann nobody"),  # a new optional argument
        (two, {"to": "ann"}, one, "ann"),  # the same, and the worker is older; or an optional argument that was removed
        (two, {"to": "ann"}, lambda to, cc="all": f"{to} {cc}", "ann all"),  # a new default
    ],
)
def test_an_argument_that_was_not_given_is_the_business_of_the_worker(
    versions: Callable[..., Queue], producer: Any, args: dict[str, Any], worker: Any, result: str
) -> None:
    made = versions(producer).enqueue("mail", args)
    done = run(versions(worker), made)
    assert (done.state, done.result, done.attempt) == (State.COMPLETED, result, 1)


@pytest.mark.parametrize(
    ("producer", "args", "worker", "problem"),
    [
        (two, {"to": "ann", "cc": "bob"}, one, "argument 'cc' is unknown to this kind"),
        (one, {"to": "ann"}, three, "argument 'cc' is missing"),
        (lambda to: to, {"to": 7}, one, "argument 'to' is invalid"),
    ],
)
def test_a_job_that_a_worker_does_not_accept_waits_for_one_that_does(
    versions: Callable[..., Queue], producer: Any, args: dict[str, Any], worker: Any, problem: str
) -> None:
    queue = versions(producer, max_attempts=1)
    made = queue.enqueue("mail", args)
    refused = run(versions(worker, retry_on=ConnectionError), made)
    assert (refused.state, refused.attempt, refused.max_attempts) == (State.RETRYING, 1, 2)
    assert (refused.error or "").startswith(f"ArgumentsMismatch: mail: {problem}")
    assert "another signature than this worker" in (refused.error or "")
    assert 5 <= refused.scheduled_at - queue.clock.now() <= 10
    (attempt,) = queue.attempts(made.id)
    assert (attempt.outcome, attempt.traceback) == (Outcome.FAILED, None)
    done = run(queue, made, until=queue.clock.now() + 10)
    assert (done.state, done.attempt) == (State.COMPLETED, 2)


def test_a_job_that_no_worker_accepts_is_retried_for_half_a_day_and_then_fails(versions: Callable[..., Queue]) -> None:
    made = versions(two).enqueue("mail", {"to": "ann", "cc": "bob"})
    queue = versions(one)
    start = queue.clock.now()
    failed = run(queue, made, until=start + 48 * HOUR)
    assert (failed.state, failed.reason, failed.attempt) == (State.FAILED, Reason.EXHAUSTED, 23 + 5)
    assert 7 * HOUR < (failed.finished_at or 0) - start < 20 * HOUR
    after = [each.started_at - start for each in queue.attempts(made.id)]
    assert max(later - earlier for earlier, later in pairwise(after)) <= HOUR


def test_attempts_that_did_not_start_the_handler_use_up_none(versions: Callable[..., Queue]) -> None:
    def broken(to: str, cc: str) -> None:
        raise ValueError(to)

    queue = versions(broken, max_attempts=2)
    made = queue.enqueue("mail", {"to": "ann", "cc": "bob"})
    for _ in range(3):
        older = versions(one)
        run(older, made, until=max(queue.clock.now(), older.get(made.id).scheduled_at))
    assert (queue.get(made.id).attempt, queue.get(made.id).max_attempts) == (3, 5)
    failed = run(queue, made, until=queue.clock.now() + HOUR)
    assert (failed.state, failed.attempt, failed.error) == (State.FAILED, 5, "ValueError: ann")


def test_a_kind_may_give_up_on_arguments_that_it_does_not_accept(versions: Callable[..., Queue]) -> None:
    made = versions(two).enqueue("mail", {"to": "ann", "cc": "bob"})
    failed = run(versions(one, give_up_on=ArgumentsMismatch), made)
    assert (failed.state, failed.reason, failed.attempt, failed.max_attempts) == (State.FAILED, Reason.GIVEN_UP, 1, 5)


@pytest.mark.parametrize("stored", ["[1]", "null", '{"to":', "7", ""])
def test_what_no_version_can_read_fails_at_once(versions: Callable[..., Queue], stored: str) -> None:
    queue = versions(one)
    made, good = queue.enqueue_many([replace(queue.new_job("mail", {"to": "ann"}), args_json=text)
                                     for text in (stored, '{"to":"bob"}')])  # fmt: skip
    failed = run(queue, made)
    assert (failed.state, failed.reason, failed.attempt) == (State.FAILED, Reason.GIVEN_UP, 1)
    assert "is stored as something else than a JSON object" in (failed.error or "")
    assert queue.get(good.id).state is State.COMPLETED


def test_other_jobs_run_while_one_waits_for_its_version(versions: Callable[..., Queue]) -> None:
    bad = versions(two).enqueue("mail", {"to": "ann", "cc": "bob"})
    with Queue(settings=(old := versions(one)).settings, registry=old.registry) as queue, Worker(queue, threads=2):
        good = [queue.enqueue("mail", {"to": str(n)}) for n in range(20)]
        wait_until(lambda: all(queue.get(each.id).state is State.COMPLETED for each in good))
        wait_until(lambda: queue.get(bad.id).state is State.RETRYING)


def test_a_job_of_an_unknown_kind_waits_for_a_worker_that_knows_it(versions: Callable[..., Queue]) -> None:
    made = versions(one).enqueue("mail", {"to": "ann"})
    with Queue(settings=versions(one).settings, registry=Registry(), clock=FrozenClock()) as stranger:
        assert run(stranger, made, until=stranger.clock.now() + HOUR).state is State.PENDING
    assert run(versions(one), made).state is State.COMPLETED
