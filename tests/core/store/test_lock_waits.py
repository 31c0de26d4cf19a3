"""Connections that wait for the write lock of a file: how often they ask, who is next, and that no lease ends meanwhile."""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from types import SimpleNamespace

import apsw
import pytest
from tests.core.concurrency import in_background, open_more
from tests.core.helpers import Bench, new, wait_until

from jobdeck.store.sqlite import lock_wait, raw_connection
from jobdeck.store.sqlite.lock_wait import LockWaits

pytestmark = pytest.mark.sqlite
"""A server queues those who wait for a row by itself."""


@contextmanager
def locked(path: Path) -> Iterator[apsw.Connection]:
    """Hold the write lock, as another program."""
    holder = apsw.Connection(str(path))
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield holder
    finally:
        holder.close()


@pytest.fixture
def polls(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the growing list of the pauses of all connections that wait for a lock."""
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        time.sleep(seconds)

    monkeypatch.setattr(raw_connection, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    return pauses


def polls_within(bench: Bench, polls: list[float], seconds: float, act: Callable[[], object]) -> list[float]:
    """Return the pauses between the polls of `act` while another program holds the lock for so long."""
    with locked(bench.path):
        thread, errors = in_background(act)
        wait_until(lambda: bool(polls), what="a wait for the lock")
        del polls[:]
        time.sleep(seconds)
        found = [*polls]
    thread.join(10)
    assert not errors
    return found


def test_a_connection_that_waits_long_does_not_ask_ever_more_often(bench: Bench, polls: list[float]) -> None:
    """Dozens of them would leave no CPU to the one that holds the lock."""
    pauses = polls_within(bench, polls, 0.5, lambda: bench.enqueue(new()))
    assert len(pauses) < 1000
    assert mean(pauses) > 0.0005


def test_the_renewal_of_a_lease_asks_more_often_than_others(bench: Bench, polls: list[float]) -> None:
    job = bench.running()
    others = polls_within(bench, polls, 0.3, lambda: bench.enqueue(new()))
    renewal = polls_within(bench, polls, 0.3, lambda: bench.store.transitions.heartbeat([(job.id, job.lease or 0)], 30.0))
    assert mean(renewal) < mean(others) / 2


# -- many processes, without their time ---------------------------------------------------------------


class Contest:
    """Simulates processes that compete for one lock, each asking for it again a moment after it has released it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, processes: int, *, seconds: float = 10.0, hold: float = 0.006) -> None:
        self.taken = [0] * processes
        self.waits: list[float] = []
        self.polls = 0
        self.seconds = seconds
        self.held = 0.0
        self.now = 0.0
        self.renewals: list[float] = []
        random.seed(1)
        monkeypatch.setattr(lock_wait, "time", SimpleNamespace(monotonic=lambda: self.now))
        all_waits = [LockWaits() for _ in range(processes)]
        since: list[float | None] = [None] * processes
        renewal_since = 0.0
        free_at = 0.0
        due = [(random.uniform(0, 0.01), n, False) for n in range(processes)]
        due.append((1.0, 0, True))  # process 0 renews its leases, each second
        heapq.heapify(due)
        while due and self.now < seconds:
            self.now, n, urgent = heapq.heappop(due)
            self.polls += 1
            started = renewal_since or self.now if urgent else since[n]
            if self.now < free_at:
                started = self.now if started is None else started
                if urgent:
                    renewal_since = started
                else:
                    since[n] = started
                pause = all_waits[n].pause(self.now - started, urgent=urgent)
                heapq.heappush(due, (self.now + pause, n, urgent))
                continue
            if started is not None and started < self.now:
                all_waits[n].record(started)
            taken = hold * random.uniform(0.7, 1.3) if not urgent else 0.001
            free_at = self.now + taken
            self.held += taken
            waited = 0.0 if started is None else self.now - started
            if urgent:
                self.renewals.append(waited)
                renewal_since = 0.0
                heapq.heappush(due, (self.now + 1.0, n, True))
            else:
                self.waits.append(waited)
                since[n] = None
                self.taken[n] += 1
                heapq.heappush(due, (free_at + hold * random.uniform(0.5, 1.5), n, False))

    def percentile(self, share: float) -> float:
        return sorted(self.waits)[int(share * len(self.waits))]


def test_four_processes_get_equal_shares_and_none_waits_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    contest = Contest(monkeypatch, 4)
    assert min(contest.taken) > 0.9 * sum(contest.taken) / 4
    assert contest.percentile(0.999) < 0.1
    assert contest.held > 0.9 * contest.seconds  # the lock is hardly ever free while anyone waits


@pytest.mark.parametrize("processes", [24, 50])
def test_the_more_wait_the_less_often_each_asks(monkeypatch: pytest.MonkeyPatch, processes: int) -> None:
    contest = Contest(monkeypatch, processes, seconds=5.0)
    assert contest.polls / contest.seconds < 40_000  # some 20 µs each; without a bound it is 250,000
    assert contest.held > 0.95 * contest.seconds
    assert min(contest.taken) > 0


def test_renewals_wait_less_than_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    contest = Contest(monkeypatch, 30)
    assert len(contest.renewals) > 5
    assert sum(contest.renewals) / len(contest.renewals) < sum(contest.waits) / len(contest.waits) / 2


# -- leases ------------------------------------------------------------------------------------------


def test_a_lease_that_expired_while_the_file_was_locked_is_renewed_before_it_is_ended(bench: Bench) -> None:
    """Its worker lives, and waits for the lock as everyone does: the job must not run twice."""
    jobs = [bench.running() for _ in range(16)]
    with open_more(bench, 17) as (rescuer, *workers), locked(bench.path) as held:
        bench.clock.advance(31)
        renewals = [
            in_background(lambda store=each.store, job=job: store.transitions.heartbeat([(job.id, job.lease or 0)], 30.0))
            for each, job in zip(workers, jobs, strict=True)
        ]
        rescued: list[int] = []
        scan = in_background(lambda: rescued.extend(rescuer.store.transitions.rescue()))
        stores = [each.store for each in (*workers, rescuer)]
        wait_until(lambda: all(store.lock_wait_started() for store in stores), what="the waits for the lock")
        held.close()
        for thread, errors in (scan, *renewals):
            thread.join(10)
            assert not errors
    assert not rescued


def test_the_lease_of_a_dead_worker_ends_although_others_wait_for_the_lock(bench: Bench) -> None:
    job = bench.running()
    bench.clock.advance(31)
    with open_more(bench, 1) as (rescuer,), locked(bench.path) as held:
        rescued: list[int] = []
        scan, errors = in_background(lambda: rescued.extend(rescuer.store.transitions.rescue()))
        wait_until(rescuer.store.lock_wait_started, what="the wait for the lock")
        held.close()
        scan.join(10)
    assert not errors
    assert rescued == [job.id]
