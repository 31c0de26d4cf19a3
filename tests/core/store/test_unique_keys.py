"""Unique keys: at most one job that is not final holds a key; what an enqueue does if it is held."""

from __future__ import annotations

from contextlib import suppress

import pytest
from tests.core.helpers import Bench, new

from jobdeck import FINAL, QUEUED, Job, JobdeckError, OnConflict, State, UniqueKeyConflict


def keyed(bench: Bench, key: str = "k", **options: object) -> Job:
    return bench.enqueue(new(unique_key=key, **options))[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("state", [*sorted(QUEUED), State.RUNNING])
def test_a_key_is_held_until_its_job_is_final(bench: Bench, state: State) -> None:
    holder = bench.in_state(state, unique_key="k")
    jobs = len(bench.rows("SELECT id FROM jobdeck_jobs"))
    assert keyed(bench) == bench.get(holder)
    assert len(bench.rows("SELECT id FROM jobdeck_jobs")) == jobs
    with pytest.raises(UniqueKeyConflict) as refusal:
        keyed(bench, on_conflict=OnConflict.REFUSE)
    assert (refusal.value.key, refusal.value.job_id, refusal.value.state) == ("k", holder.id, state)
    bench.check_counters()


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_final_job_releases_its_key(bench: Bench, state: State) -> None:
    holder = bench.in_state(state, unique_key="k")
    assert keyed(bench).id > holder.id


@pytest.mark.parametrize("kept", sorted(FINAL))
@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_final_job_keeps_its_key_in_the_requested_states(bench: Bench, state: State, kept: State) -> None:
    holder = bench.in_state(state, unique_key="k", unique_final=frozenset({kept}))
    assert (keyed(bench).id == holder.id) == (state is kept)


def test_other_keys_and_no_keys_are_free(bench: Bench) -> None:
    assert len({job.id for job in bench.enqueue(new(unique_key="a"), new(unique_key="b"), new(), new())}) == 4


def test_a_key_is_used_once_within_one_call(bench: Bench) -> None:
    first, second, other = bench.enqueue(new(unique_key="k"), new(unique_key="k"), new())
    assert first == second
    assert other.id == first.id + 1
    assert bench.counts() == {State.PENDING: 2}


def test_a_refusal_stores_no_job_of_its_call(bench: Bench) -> None:
    keyed(bench)
    with pytest.raises(UniqueKeyConflict):
        bench.enqueue(new(), new(unique_key="k", on_conflict=OnConflict.REFUSE))
    assert bench.counts() == {State.PENDING: 1}
    bench.check_counters()


@pytest.mark.parametrize("state", sorted(QUEUED))
def test_a_replacement_updates_a_queued_holder(bench: Bench, state: State) -> None:
    holder = bench.in_state(state, unique_key="k")
    due = bench.clock.now() + 60
    replaced = keyed(
        bench,
        on_conflict=OnConflict.REPLACE,
        args_json='{"n":2}',
        priority=9,
        scheduled_at=due,
        tags=("new",),
        expires_at=due + 5,
    )
    assert replaced == bench.get(holder)
    assert (replaced.args, replaced.priority, replaced.scheduled_at) == ({"n": 2}, 9, due)
    assert (replaced.tags, replaced.expires_at) == (("new",), due + 5)
    assert replaced.state is (State.SCHEDULED if state is State.PENDING else state)
    bench.check_counters()


def test_a_replacement_that_is_due_makes_a_scheduled_holder_ready(bench: Bench) -> None:
    holder = bench.in_state(State.SCHEDULED, unique_key="k")
    keyed(bench, on_conflict=OnConflict.REPLACE)
    assert [job.id for job in bench.claim()] == [holder.id]


def test_both_records_of_one_call_show_the_replacement(bench: Bench) -> None:
    again = new(unique_key="k", on_conflict=OnConflict.REPLACE, args_json='{"n":2}')
    first, second = bench.enqueue(new(unique_key="k", args_json='{"n":1}'), again)
    assert first == second == bench.get(first)
    assert first.args == {"n": 2}


@pytest.mark.parametrize("state", [State.RUNNING, State.COMPLETED])
def test_a_started_holder_is_not_replaced(bench: Bench, state: State) -> None:
    holder = bench.in_state(state, unique_key="k", unique_final=frozenset({State.COMPLETED}))
    assert keyed(bench, on_conflict=OnConflict.REPLACE, args_json='{"n":2}') == holder


def test_the_arguments_of_one_kind_do_not_replace_those_of_another(bench: Bench) -> None:
    holder = keyed(bench)
    with pytest.raises(UniqueKeyConflict):
        keyed(bench, kind="demo.other", on_conflict=OnConflict.REPLACE)
    assert bench.get(holder) == holder


def test_a_retry_whose_key_is_held_by_another_job_changes_nothing(bench: Bench) -> None:
    failed = bench.in_state(State.FAILED, unique_key="k")
    holder = keyed(bench)
    with suppress(JobdeckError):
        assert bench.store.jobs.retry([failed.id]).done == ()
    assert [bench.get(job) for job in (failed, holder)] == [failed, holder]
    bench.check_counters()


def test_a_deleted_job_releases_its_key(bench: Bench) -> None:
    holder = bench.in_state(State.COMPLETED, unique_key="k", unique_final=frozenset({State.COMPLETED}))
    bench.store.jobs.delete([holder.id])
    assert keyed(bench).id > holder.id


@pytest.mark.sqlite
def test_the_holder_is_found_by_an_index(bench: Bench) -> None:
    ((*_, plan),) = bench.rows("EXPLAIN QUERY PLAN SELECT id FROM jobdeck_jobs WHERE unique_taken = 'k'")
    assert "USING" in plan
    assert "jobdeck_unique" in plan
