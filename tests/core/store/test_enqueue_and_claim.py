"""Enqueue, stage and claim: P2, P7, P10."""

from __future__ import annotations

import pytest
from tests.core.helpers import Bench, new

from jobdeck import State
from jobdeck.model.filter import EVERY_JOB
from jobdeck.store.claim_capacity import ClaimRequest


def test_an_enqueued_job_is_stored_as_it_was_returned(bench: Bench) -> None:
    stored = bench.enqueue(new(args_json='{"to":"é"}', queue="mail", priority=7, timeout=2.5, tags=("a", "b")))
    assert bench.store.reader.get_many([stored[0].id]) == stored


def test_jobs_of_one_call_get_ids_in_order(bench: Bench) -> None:
    stored = bench.enqueue(*(new(args_json=f'{{"n":{n}}}') for n in range(10)))
    assert [job.id for job in stored] == sorted(job.id for job in stored)
    assert [job.args["n"] for job in bench.store.queries.list(EVERY_JOB, limit=10, descending=False)] == list(range(10))


def test_an_id_is_never_reused(bench: Bench) -> None:
    (first,) = bench.enqueue()
    bench.store.jobs.delete([first.id])
    (second,) = bench.enqueue()
    assert second.id > first.id


def test_nothing_is_enqueued_if_one_of_several_jobs_is_invalid(bench: Bench) -> None:
    from jobdeck import StoreError

    with pytest.raises(StoreError):
        bench.enqueue(new(), new(), new(args_json="\ud800"))
    assert bench.counts() == {}
    bench.check_counters()


def test_a_job_due_later_is_scheduled_and_a_job_due_now_is_pending(bench: Bench) -> None:
    later, now, past = bench.enqueue(new(scheduled_at=bench.clock.now() + 1), new(), new(scheduled_at=bench.clock.now() - 1000))
    assert (later.state, now.state, past.state) == (State.SCHEDULED, State.PENDING, State.PENDING)


def test_a_claim_counts_the_attempt_and_issues_a_fresh_lease(bench: Bench) -> None:
    bench.enqueue(new(), new())
    first, second = bench.claim(2)
    assert (first.state, first.attempt, first.worker) == (State.RUNNING, 1, "w1")
    assert first.lease != second.lease
    bench.release(first)
    (again,) = bench.claim(1)
    assert again.id == first.id
    assert again.lease != first.lease


def test_the_claimed_record_equals_the_stored_one(bench: Bench) -> None:
    job = bench.running()
    assert bench.get(job) == job
    assert job.lease_until == bench.clock.now() + 30
    assert job.started_at == bench.clock.now()


def test_higher_priority_goes_first_then_first_come_first_served(bench: Bench) -> None:
    stored = bench.enqueue(*(new(priority=priority) for priority in (0, 5, -3, 5, 0)))
    claimed = bench.claim(5)
    assert [job.id - stored[0].id for job in claimed] == [1, 3, 0, 4, 2]


def test_the_order_holds_across_queues_and_kinds(bench: Bench) -> None:
    bench.enqueue(new("a", "x", 1), new("b", "x", 9), new("a", "y", 5), new("b", "y", 9), new("c", "z", 7))
    assert [job.priority for job in bench.claim(3)] == [9, 9, 7]
    assert [job.priority for job in bench.claim(3)] == [5, 1]


def test_a_priority_changed_while_queued_counts_at_the_claim(bench: Bench) -> None:
    first, second = bench.enqueue(new(), new())
    bench.store.jobs.reprioritize([second.id], 1)
    assert [job.id for job in bench.claim(2)] == [second.id, first.id]


def test_a_claim_takes_at_most_the_requested_number(bench: Bench) -> None:
    bench.enqueue(*(new(queue=f"q{n}") for n in range(10)))
    assert len(bench.claim(3)) == 3
    assert bench.counts() == {State.PENDING: 7, State.RUNNING: 3}


def test_only_served_kinds_are_claimed(bench: Bench) -> None:
    bench.enqueue(new("known"), new("unknown"))
    assert [job.kind for job in bench.claim(10, kinds=("known",))] == ["known"]
    assert bench.store.claimer.claim(ClaimRequest("w", 10, kinds=(), queues=(), lease=30)) == []


def test_only_served_queues_are_claimed_and_an_empty_list_means_all(bench: Bench) -> None:
    bench.enqueue(new(queue="mail"), new(queue="img"), new(queue="hook"))
    assert [job.queue for job in bench.claim(10, queues=("img", "mail"))] == ["mail", "img"]
    assert [job.queue for job in bench.claim(10)] == ["hook"]


def test_a_paused_queue_is_not_claimed_from_until_it_is_resumed(bench: Bench) -> None:
    bench.enqueue(new(queue="mail", priority=9), new(queue="img"))
    assert bench.store.queues.pause("mail")
    assert [job.queue for job in bench.claim(10)] == ["img"]
    assert bench.store.queues.resume("mail")
    assert [job.queue for job in bench.claim(10)] == ["mail"]


def test_pausing_or_resuming_twice_reports_no_change(bench: Bench) -> None:
    assert [bench.store.queues.pause("mail"), bench.store.queues.pause("mail")] == [True, False]
    assert [bench.store.queues.resume("mail"), bench.store.queues.resume("mail")] == [True, False]


def test_a_queue_without_jobs_is_listed_while_it_is_paused(bench: Bench) -> None:
    bench.store.queues.pause("empty")
    assert [(info.name, info.paused, info.pending) for info in bench.store.queries.queues()] == [("empty", True, 0)]
    bench.store.queues.resume("empty")
    assert bench.store.queries.queues() == []


def test_due_jobs_are_staged_earliest_first_and_not_before(bench: Bench) -> None:
    late, early = bench.enqueue(*(new(scheduled_at=bench.clock.now() + seconds) for seconds in (20, 10)))
    assert bench.store.queries.next_due_at() == early.scheduled_at
    bench.clock.advance(9.9)
    assert bench.store.transitions.stage() == 0
    bench.clock.advance(0.1)
    assert bench.store.transitions.stage() == 1
    assert (bench.get(early).state, bench.get(late).state) == (State.PENDING, State.SCHEDULED)
    assert bench.claim(10) == [bench.get(early)]


def test_staging_stops_at_its_limit(bench: Bench) -> None:
    bench.enqueue(*(new(scheduled_at=bench.clock.now() + seconds) for seconds in range(1, 6)))
    bench.clock.advance(10)
    assert [bench.store.transitions.stage(3), bench.store.transitions.stage(3), bench.store.transitions.stage(3)] == [3, 2, 0]
    assert bench.store.queries.next_due_at() is None
    bench.check_counters()


def test_a_job_once_due_stays_due_when_the_wall_clock_is_set_back(bench: Bench) -> None:
    bench.enqueue()
    bench.clock.jump(-86400)
    assert len(bench.claim()) == 1


def test_an_id_is_never_reused_whichever_jobs_are_deleted(bench: Bench) -> None:
    ids = [job.id for job in bench.enqueue(*[new() for _ in range(5)])]
    assert ids == [1, 2, 3, 4, 5]
    bench.store.jobs.delete([4, 5])
    assert bench.enqueue(new())[0].id == 6
    bench.store.jobs.delete([6])
    bench.store.jobs.delete([1, 2, 3])
    assert bench.store.enqueuer.enqueue_bulk(new(), ["{}", "{}"]) == range(7, 9)
    bench.store.jobs.delete([8, 7])
    assert [job.id for job in bench.enqueue(new(), new())] == [9, 10]
