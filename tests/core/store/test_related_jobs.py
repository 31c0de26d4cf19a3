"""Dependencies between jobs, and batches with their jobs."""

from __future__ import annotations

from tests.core.helpers import Bench, new

from jobdeck import Dependencies, IfParentFails, State


def test_the_dependencies_of_a_job_are_its_parents_pending_parents_and_children(bench: Bench) -> None:
    done = bench.running()
    bench.complete(done)
    (open_,) = bench.enqueue()
    (child,) = bench.enqueue(new(after=(done.id, open_.id), if_parent_fails=IfParentFails.WAIT))
    (grandchild,) = bench.enqueue(new(after=(child.id,)))
    assert bench.store.reader.dependencies(child.id) == Dependencies(
        parents={done.id: State.COMPLETED, open_.id: State.PENDING},
        waits_for=(open_.id,),
        if_parent_fails=IfParentFails.WAIT,
        children={grandchild.id: State.WAITING},
    )
    claimed = next(job for job in bench.claim() if job.id == open_.id)
    bench.complete(claimed)
    family = bench.store.reader.dependencies(child.id)
    assert (family.waits_for, family.parents[open_.id]) == ((), State.COMPLETED)


def test_a_deleted_parent_is_listed_without_a_state(bench: Bench) -> None:
    done = bench.running()
    bench.complete(done)
    (child,) = bench.enqueue(new(after=(done.id,)))
    bench.store.jobs.delete([done.id])
    assert bench.store.reader.dependencies(child.id).parents == {done.id: None}


def test_an_independent_job_has_no_dependencies(bench: Bench) -> None:
    (job,) = bench.enqueue()
    assert bench.store.reader.dependencies(job.id) == bench.store.reader.dependencies(999) == Dependencies()


def test_at_most_a_thousand_children_are_read(bench: Bench) -> None:
    (parent,) = bench.enqueue()
    children = bench.enqueue(*[new(after=(parent.id,))] * 1100)
    assert [*bench.store.reader.dependencies(parent.id).children] == [child.id for child in children[:1000]]


def test_a_batch_counts_only_its_own_jobs_and_not_earlier_holders_of_a_key(bench: Bench) -> None:
    (holder,) = bench.enqueue(new(unique_key="k"))
    batch = bench.store.enqueuer.enqueue_batch(
        "nightly", [new(), new(unique_key="k"), new(unique_key="l"), new(unique_key="l")]
    )
    assert (batch.name, batch.total, batch.counts) == ("nightly", 2, {State.PENDING: 2})
    assert bench.get(holder).batch is None
