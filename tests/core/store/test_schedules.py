"""Schedules in a store: one job for each tick, whichever process enqueues it. P7, P11."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.core.helpers import NOON, Bench, new

from jobdeck import Job, Schedule, State, StoreFailed, parse_filter
from jobdeck.scheduling.ticker import CLOCK_SET_BACK, RETRY_AFTER, enqueue_due, repair_future_ticks

HOUR = 3600.0
START = NOON - NOON % HOUR
"""A full hour."""


def hourly(name: str = "s", **options: Any) -> Schedule:
    defaults: dict[str, Any] = {"cron": "@hourly", "timezone": "UTC", "kind": "demo.work", "args_json": '{"n": 1}'}
    defaults |= {"queue": "default", "priority": 0, "max_attempts": 3, "next_at": START + HOUR}
    return Schedule(name=name, **{**defaults, **options})


@pytest.fixture
def bench(bench: Bench) -> Bench:
    bench.clock.wall = START
    return bench


def tick(bench: Bench) -> list[Job]:
    """Run the due ticks; return the jobs that they enqueued."""
    before = bench.rows("SELECT coalesce(max(id), 0) FROM jobdeck_jobs")[0][0]
    enqueue_due(bench.store, bench.clock)
    return bench.store.reader.get_many([row[0] for row in bench.rows("SELECT id FROM jobdeck_jobs WHERE id > ?", before)])


def get(bench: Bench, name: str = "s") -> Schedule:
    found = bench.store.schedules.get(name)
    assert found is not None
    return found


def test_a_schedule_is_stored_as_given(bench: Bench) -> None:
    given = hourly(timeout=5.0, tags=("a", "b"), priority=-3)
    assert bench.store.schedules.add(given)
    kept = get(bench)
    assert kept.created_at == START
    assert (kept.args, kept.paused, kept.last_at, kept.last_job) == ({"n": 1}, False, None, None)
    assert not bench.store.schedules.add(hourly(cron="@daily"))
    assert get(bench) == kept
    assert [each.name for each in bench.store.schedules.list()] == ["s"]


def test_a_tick_enqueues_nothing_before_its_time_and_one_job_at_it(bench: Bench) -> None:
    bench.store.schedules.add(hourly(queue="q", priority=7, timeout=2.5, tags=("x",)))
    bench.clock.advance(HOUR - 0.001)
    assert tick(bench) == []
    assert enqueue_due(bench.store, bench.clock) == START + HOUR
    bench.clock.advance(0.001)
    (job,) = tick(bench)
    assert (job.kind, job.args, job.queue, job.priority, job.timeout) == ("demo.work", {"n": 1}, "q", 7, 2.5)
    assert (job.state, job.scheduled_at, job.tags, job.max_attempts) == (State.PENDING, START + HOUR, ("x", "schedule:s"), 3)
    assert tick(bench) == []
    after = get(bench)
    assert (after.next_at, after.last_at, after.last_job) == (START + 2 * HOUR, START + HOUR, job.id)
    assert enqueue_due(bench.store, bench.clock) == START + 2 * HOUR
    bench.check_counters()


def test_missed_ticks_collapse_into_one_job(bench: Bench) -> None:
    bench.store.schedules.add(hourly())
    bench.clock.advance(5.5 * HOUR)
    (job,) = tick(bench)
    assert job.created_at == START + 5.5 * HOUR
    assert tick(bench) == []
    assert get(bench).next_at == START + 6 * HOUR


@pytest.mark.parametrize("back", [1.0, HOUR, CLOCK_SET_BACK - 1])
def test_a_clock_that_jumps_back_repeats_no_tick(bench: Bench, back: float) -> None:
    bench.store.schedules.add(hourly())
    bench.clock.advance(HOUR)
    assert len(tick(bench)) == 1
    bench.clock.jump(-back)
    for _ in range(8):
        repair_future_ticks(bench.store, bench.clock)
        assert tick(bench) == []
        bench.clock.advance(back / 8)
    bench.clock.advance(HOUR)
    assert len(tick(bench)) == 1


def test_correcting_a_clock_that_was_far_ahead_stops_no_schedule(bench: Bench) -> None:
    bench.store.schedules.add(hourly())
    bench.store.schedules.add(hourly("paused", paused_at=START))
    bench.store.schedules.add(hourly("broken", cron="nonsense"))
    bench.clock.jump(10 * 365 * 24 * HOUR)
    assert len(tick(bench)) == 1
    bench.clock.jump(-10 * 365 * 24 * HOUR)
    repair_future_ticks(bench.store, bench.clock)
    assert get(bench).next_at == START + HOUR
    mended = get(bench)
    repair_future_ticks(bench.store, bench.clock)
    assert get(bench) == mended
    bench.clock.advance(HOUR)
    assert len(tick(bench)) == 1


def test_a_failing_schedule_records_its_error_and_stops_no_other(bench: Bench) -> None:
    bench.store.schedules.add(hourly("a-broken", cron="61 * * * *"))
    bench.store.schedules.add(hourly("b-nowhere", timezone="Mars/Phobos"))
    bench.store.schedules.add(hourly("c-refused", max_attempts=0))
    bench.store.schedules.add(hourly("d-odd", kind="kind.nobody.knows", args_json="not json"))
    bench.store.schedules.add(hourly("e-good"))
    bench.clock.advance(HOUR)
    jobs = tick(bench)
    assert sorted(job.kind for job in jobs) == ["demo.work", "kind.nobody.knows"]
    errors = {each.name: each.error for each in bench.store.schedules.list()}
    assert "invalid minute '61'" in (errors["a-broken"] or "")
    assert "Mars/Phobos" in (errors["b-nowhere"] or "")
    assert "rejected a value" in (errors["c-refused"] or "")
    assert (errors["d-odd"], errors["e-good"]) == (None, None)
    assert get(bench, "c-refused").last_job is None
    assert tick(bench) == []  # they are not retried at once
    bench.change("UPDATE jobdeck_schedules SET cron = '@hourly' WHERE name = 'a-broken'")
    bench.clock.advance(RETRY_AFTER)
    (job,) = tick(bench)
    assert job.tags == ("schedule:a-broken",)
    assert get(bench, "a-broken").error is None
    bench.check_counters()


def test_a_tick_that_could_not_be_stored_is_not_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.store.schedules.add(hourly())
    bench.clock.advance(HOUR)

    def full(*_: Any) -> list[Job]:
        raise StoreFailed("here", "the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(bench.store.enqueuer, "enqueue", full)
        with pytest.raises(StoreFailed):
            enqueue_due(bench.store, bench.clock)
    assert (get(bench).next_at, get(bench).error) == (START + HOUR, None)
    assert len(tick(bench)) == 1


def test_paused_schedules_are_not_due(bench: Bench) -> None:
    bench.store.schedules.add(hourly())
    assert bench.store.schedules.pause("s")
    assert not bench.store.schedules.pause("s")
    assert not bench.store.schedules.pause("nosuch")
    assert bench.store.schedules.next_at() is None
    bench.clock.advance(HOUR)
    assert tick(bench) == []


def test_a_tick_read_before_a_change_of_its_time_is_not_enqueued(bench: Bench) -> None:
    schedules = bench.store.schedules
    schedules.add(hourly())
    seen = get(bench)
    for changed in (hourly(cron="@daily"), hourly(timezone="Europe/Berlin"), hourly(next_at=START), hourly(paused_at=START)):
        schedules.update(changed)
        before = get(bench)
        assert schedules.advance(seen, START + 2 * HOUR) is None
        assert not schedules.record_error(seen, "why", START + 2 * HOUR)
        assert get(bench) == before
    schedules.delete("s")
    assert schedules.advance(seen, START + 2 * HOUR) is None
    assert not schedules.update(seen)
    assert schedules.get("s") is None


def test_a_tick_uses_the_current_state_of_the_schedule(bench: Bench) -> None:
    schedules = bench.store.schedules
    schedules.add(hourly())
    seen = get(bench)
    schedules.update(hourly(args_json='{"n": 2}'))
    taken = schedules.advance(seen, START + 2 * HOUR)
    assert taken is not None
    assert taken.args == {"n": 2}


def test_stores_that_race_for_a_tick_enqueue_it_once(bench: Bench) -> None:
    others = [bench.open_again() for _ in range(4)]
    for n in range(30):
        bench.store.schedules.add(hourly(f"s{n}"))
    for round in range(1, 6):
        bench.clock.advance(HOUR)
        ready = threading.Barrier(len(others))

        def run(store: Any, ready: threading.Barrier = ready) -> None:
            ready.wait()
            enqueue_due(store, bench.clock)

        threads = [threading.Thread(target=run, args=(store,)) for store in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert bench.rows("SELECT count(*), count(DISTINCT tags) FROM jobdeck_jobs") == [(30 * round, 30)]
    for store in others:
        store.close()
    bench.check_counters()


def test_many_due_schedules_are_processed_in_steps(bench: Bench) -> None:
    for n in range(130):
        bench.store.schedules.add(hourly(f"s{n}"))
    bench.clock.advance(HOUR)
    assert enqueue_due(bench.store, bench.clock) == START + HOUR
    assert enqueue_due(bench.store, bench.clock) == START + 2 * HOUR
    assert bench.rows("SELECT count(*) FROM jobdeck_jobs") == [(130,)]


def test_the_runs_of_a_schedule_are_listed_newest_first_with_their_state(bench: Bench) -> None:
    bench.store.schedules.add(hourly(tags=("schedule", "a")))
    bench.store.schedules.add(hourly("s2"))
    for _ in range(3):
        bench.clock.advance(HOUR)
        enqueue_due(bench.store, bench.clock)
    mine = [job.id for job in bench.store.queries.list(parse_filter("tag:schedule:s"), limit=9, sort="id", descending=True)]
    first = next(job for job in bench.claim(9) if job.id == mine[2])
    bench.fail(first)
    found = bench.store.schedules.history("s", 2)
    assert [each.id for each in found] == mine[:2]
    oldest = bench.store.schedules.history("s", 9)[-1]
    assert (oldest.id, oldest.state, oldest.scheduled_at) == (mine[2], State.FAILED, START + HOUR)
    assert (oldest.error, oldest.took, oldest.attempt) == ("ValueError: no", 0.0, 1)
    assert bench.store.schedules.history("nobody", 9) == []


@pytest.mark.sqlite
@pytest.mark.parametrize("name", ["s", "übung", "a:b/c@d+e.f-g_h"])
def test_a_filter_finds_the_jobs_of_a_schedule_through_an_index(bench: Bench, name: str) -> None:
    bench.store.schedules.add(hourly(name))
    bench.clock.advance(HOUR)
    enqueue_due(bench.store, bench.clock)
    bench.enqueue(new(), new(tags=("schedule:s", "other")), new(tags=(f"x-schedule:{name}",)))
    made = [job.id for job in bench.store.queries.list(parse_filter(f"schedule:{name}"), limit=9, sort="id", descending=True)]
    assert [bench.get(job_id).tags for job_id in made] == [(f"schedule:{name}",)]
    assert bench.store.queries.count(parse_filter(f"schedule:{name}")) == 1
    assert bench.store.queries.count(parse_filter(f"-schedule:{name}")) == 3
    assert bench.store.queries.count(parse_filter(f"schedule:{name[0]}*")) >= 1
    assert (
        bench.store.queries.list(parse_filter(f"schedule:{name},none state:pending"), limit=9, sort="state", descending=True)[
            0
        ].id
        == made[0]
    )
    (plan,) = bench.rows(
        "EXPLAIN QUERY PLAN SELECT count(*) FROM jobdeck_jobs WHERE "
        "instr(tags, '\"schedule:') > 0 AND substr(tags, instr(tags, '\"schedule:')) IN ('x')"
    )
    assert "jobdeck_by_schedule" in plan[3]
