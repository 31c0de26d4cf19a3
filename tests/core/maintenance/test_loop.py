"""The maintenance loop of a worker: retention by the settings, and a write-ahead log that stays small beside readers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest
from tests.core.helpers import Bench, new

from jobdeck import Settings, State
from jobdeck.maintenance.loop import LOG_EVERY, PRUNE_EVERY, MaintenanceLoop
from jobdeck.maintenance.service import pruning_rules
from jobdeck.model.retention import RetentionRule

DAY = 86400.0
MB = 1 << 20


def final(bench: Bench, n: int, state: State) -> None:
    for _ in range(n):
        bench.in_state(state)


def test_failed_jobs_are_kept_longer_by_default() -> None:
    ages = {rule.state: rule.older_than for rule in pruning_rules(Settings())}
    assert ages[State.FAILED] is not None
    assert ages[State.COMPLETED] is not None
    assert ages[State.FAILED] > ages[State.COMPLETED] == ages[State.CANCELLED]


def test_zero_in_the_settings_means_no_limit() -> None:
    rules = pruning_rules(Settings(retention=0.0, retention_failed=0.0, retention_count=0))
    assert rules == (RetentionRule(State.COMPLETED), RetentionRule(State.FAILED), RetentionRule(State.CANCELLED))


def test_a_worker_prunes_each_state_by_its_age_once_a_minute(bench: Bench) -> None:
    for state in (State.COMPLETED, State.FAILED, State.CANCELLED):
        final(bench, 2, state)
    settings = Settings(retention=DAY, retention_failed=3 * DAY)
    upkeep = MaintenanceLoop(bench.store, settings, bench.clock)
    bench.clock.advance(2 * DAY)
    upkeep.run_due_tasks()
    assert bench.counts() == {State.FAILED: 2}
    bench.clock.advance(1.1 * DAY)
    upkeep.run_due_tasks()
    assert bench.counts() == {}
    final(bench, 1, State.COMPLETED)
    bench.clock.jump(2 * DAY)
    upkeep.run_due_tasks()
    assert bench.counts() == {State.COMPLETED: 1}  # not yet: a round has just run
    bench.clock.advance(PRUNE_EVERY)
    upkeep.run_due_tasks()
    assert bench.counts() == {}


def test_a_worker_prunes_by_count(bench: Bench) -> None:
    final(bench, 5, State.COMPLETED)
    final(bench, 2, State.FAILED)
    upkeep = MaintenanceLoop(bench.store, Settings(retention_count=3), bench.clock)
    assert upkeep.prune() == 2
    assert bench.counts() == {State.COMPLETED: 3, State.FAILED: 2}


def test_a_long_history_is_pruned_in_rounds_that_leave_time_for_leases(bench: Bench) -> None:
    bench.enqueue(*[new()] * 1200)
    for job in bench.claim(1200):
        bench.complete(job)
    clock = bench.clock
    upkeep = MaintenanceLoop(bench.store, Settings(retention_count=0, retention=1.0), clock)
    clock.advance(PRUNE_EVERY)
    prune = bench.store.maintenance.prune_jobs

    def slow(rule: RetentionRule, limit: int = 500) -> int:
        clock.advance(0.3)
        return prune(rule, limit)

    bench.store.maintenance.prune_jobs = slow  # type: ignore[method-assign]
    upkeep.run_due_tasks()
    assert bench.counts() == {State.COMPLETED: 700}  # one step took longer than the time limit of a round
    upkeep.run_due_tasks()
    assert bench.counts() == {State.COMPLETED: 700}
    clock.advance(1)  # the rest follows soon, not in a minute
    upkeep.run_due_tasks()
    assert bench.counts() == {State.COMPLETED: 200}


def test_many_expired_jobs_are_failed_in_rounds_that_leave_time_for_leases(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.enqueue(*[new(expires_at=bench.clock.now() + 5)] * 3500)
    bench.clock.advance(10)
    upkeep = MaintenanceLoop(bench.store, Settings(), bench.clock)
    expire = bench.store.transitions.expire

    def slow(limit: int = 1000) -> int:
        bench.clock.advance(0.3)
        return expire(limit)

    monkeypatch.setattr(bench.store.transitions, "expire", slow)
    upkeep.run_due_tasks()
    assert bench.counts() == {State.PENDING: 2500, State.FAILED: 1000}
    assert upkeep.pause(1.0) < 0.01  # the rest follows at once
    for _ in range(4):
        upkeep.run_due_tasks()
    assert bench.counts() == {State.FAILED: 3500}
    assert upkeep.pause(1.0) == 1.0


def test_many_jobs_of_dead_workers_are_rescued_in_rounds_that_leave_time_for_leases(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.enqueue(*[new()] * 250)
    assert len(bench.claim(250)) == 250
    bench.clock.advance(31)
    upkeep = MaintenanceLoop(bench.store, Settings(), bench.clock)
    rescue = bench.store.transitions.rescue

    def slow(limit: int = 100) -> list[int]:
        bench.clock.advance(0.3)
        return rescue(limit)

    monkeypatch.setattr(bench.store.transitions, "rescue", slow)
    assert len(upkeep.run_due_tasks()) == 100
    assert upkeep.pause(1.0) < 0.01
    assert len(upkeep.run_due_tasks()) + len(upkeep.run_due_tasks()) == 150
    upkeep.run_due_tasks()
    assert bench.counts() == {State.PENDING: 250}
    assert upkeep.pause(1.0) == 1.0


# -- the write-ahead log -----------------------------------------------------------------------------


@contextmanager
def reader(path: Path) -> Iterator[None]:
    """Hold a read transaction open, as another program."""
    connection = apsw.Connection(str(path))
    connection.execute("BEGIN; SELECT count(*) FROM jobdeck_jobs").fetchall()
    try:
        yield
    finally:
        connection.close()


def log_size(bench: Bench) -> int:
    log = bench.path.with_name(bench.path.name + "-wal")
    return log.stat().st_size if log.exists() else 0


def grow(bench: Bench, format_size: float) -> None:
    """Enqueue until the log has this size."""
    while log_size(bench) < format_size * MB:
        bench.enqueue(*[new(args_json='{"text": "' + "x" * 4000 + '"}')] * 50)


@pytest.mark.sqlite
def test_the_log_is_truncated_after_a_long_reader_ends_and_jobs_run_meanwhile(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    upkeep = MaintenanceLoop(bench.store, Settings(), bench.clock, log_bound=8 * MB)
    job = bench.running()
    with caplog.at_level(logging.WARNING, "jobdeck.maintenance"), reader(bench.path):
        grow(bench, 30)
        for _ in range(4):
            bench.clock.advance(LOG_EVERY)
            upkeep.run_due_tasks()
        assert log_size(bench) >= 30 * MB  # truncation is impossible while the reader is active
        assert bench.store.transitions.heartbeat([(job.id, job.lease or 0)], 30).lost == frozenset()
        assert bench.complete(job) == []
        assert len(bench.claim(5)) == 5
    (warning,) = [record.getMessage() for record in caplog.records if "write-ahead log" in record.getMessage()]
    assert "a long-running read transaction of another program" in warning
    bench.clock.advance(LOG_EVERY)
    upkeep.run_due_tasks()
    assert log_size(bench) == 0
    grow(bench, 1)


@pytest.mark.sqlite
def test_a_reader_that_starts_after_a_full_checkpoint_does_not_block_truncation(bench: Bench) -> None:
    bench.enqueue(
        *[new(args_json='{"text": "' + "x" * 4000 + '"}')] * 5000
    )  # in one transaction, so that the log does not restart
    assert log_size(bench) > 17 * MB
    with reader(bench.path):
        state = bench.store.maintenance.checkpoint(4 * MB)
        assert (state.size, state.held) == (0, False)
        grow(bench, 1)


@pytest.mark.sqlite
def test_the_warning_is_repeated_for_the_next_long_reader(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    upkeep = MaintenanceLoop(bench.store, Settings(), bench.clock, log_bound=4 * MB)
    with caplog.at_level(logging.WARNING, "jobdeck.maintenance"):
        for _ in range(2):
            with reader(bench.path):
                grow(bench, 10)
                upkeep.checkpoint()
                upkeep.checkpoint()
                upkeep.checkpoint()
            upkeep.checkpoint()
    assert len(caplog.records) == 2


@pytest.mark.sqlite
def test_the_log_is_truncated_on_restart_even_without_maintenance(bench: Bench) -> None:
    """A program that only enqueues may run without a worker."""
    with reader(bench.path):
        grow(bench, 30)
    for _ in range(3):  # checkpointed, restarted, truncated
        bench.enqueue(*[new()] * 10)
    assert log_size(bench) <= 16 * MB


@pytest.mark.sqlite
def test_a_small_log_is_left_alone(bench: Bench) -> None:
    bench.enqueue()
    before = log_size(bench)
    assert before > 0
    state = bench.store.maintenance.checkpoint(8 * MB)
    assert (state.size, state.held) == (before, False)
    assert log_size(bench) == before
