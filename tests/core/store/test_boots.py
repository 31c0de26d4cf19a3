"""Leases made under another boot, or by another clock: a container, a virtual machine or another machine on the same file."""

from __future__ import annotations

import pytest
from tests.core.helpers import Bench, FakeClock, open_sqlite

from jobdeck import Settings, Severity, State, WorkerInfo, doctor
from jobdeck.store.base import Store

pytestmark = pytest.mark.sqlite  # leases on a server use the clock of the server
CLOCKS = pytest.mark.parametrize("ahead", [0.0, 1e6, -900.0])
"""Seconds by which the clock of the container is ahead of the machine's."""


class Container:
    """The same queue, opened where another boot is reported and the monotonic clock may have another offset."""

    def __init__(self, bench: Bench, ahead: float) -> None:
        self.clock = FakeClock()
        self.clock.booted = "a container's"
        self.clock.machine += ahead
        self.store: Store = open_sqlite(bench.path, self.clock)
        self.bench = Bench(self.store, self.clock, bench.path)


def report(bench: Bench, name: str = "w1") -> None:
    common = {"host": "here", "pid": 7, "threads": 4, "queues": (), "started_at": bench.clock.now(), "heartbeat_at": 0.0}
    bench.store.workers.report(WorkerInfo(id=name, draining=False, running=0, alive=True, **common))  # type: ignore[arg-type]


def advance(bench: Bench, container: Container, seconds: float) -> None:
    for clock in (bench.clock, container.clock):
        clock.advance(seconds)


@CLOCKS
def test_opening_the_queue_under_another_boot_ends_no_lease_of_a_worker_that_reports(bench: Bench, ahead: float) -> None:
    report(bench)
    job = bench.running()
    container = Container(bench, ahead)
    for _ in range(40):
        advance(bench, container, 5)
        report(bench)
        bench.store.transitions.heartbeat([(job.id, job.lease or 0)], 30)
        assert container.store.transitions.rescue() == []
    assert bench.complete(job) == []
    container.store.close()


@CLOCKS
def test_a_job_whose_worker_died_under_another_boot_is_rescued_within_its_lease(bench: Bench, ahead: float) -> None:
    report(bench)
    job = bench.running()
    container = Container(bench, ahead)
    assert container.store.transitions.rescue() == []
    advance(bench, container, 29)
    assert container.store.transitions.rescue() == []
    advance(bench, container, 2)
    assert container.store.transitions.rescue() == [job.id]
    container.store.close()


def test_a_job_that_ran_when_the_machine_stopped_is_rescued_within_its_lease(bench: Bench) -> None:
    report(bench)
    job = bench.running()
    bench.store.close()
    bench.clock.reboot()
    bench.store = bench.open_again()
    bench.store.transitions.rescue()
    bench.clock.advance(31)
    bench.store.transitions.rescue()
    assert bench.get(job).state is State.PENDING


@CLOCKS
def test_workers_under_another_boot_are_alive_while_they_report(bench: Bench, ahead: float) -> None:
    report(bench)
    container = Container(bench, ahead)
    assert [worker.alive for worker in container.store.workers.list(30)] == [True]
    assert container.store.workers.prune(3600) == 0
    advance(bench, container, 31)
    assert [worker.alive for worker in container.store.workers.list(30)] == [False]
    advance(bench, container, 3600)
    assert container.store.workers.prune(3600) == 1
    container.store.close()


@CLOCKS
def test_doctor_and_its_repair_respect_the_leases_of_another_boot(bench: Bench, ahead: float) -> None:
    report(bench)
    job = bench.running()
    container = Container(bench, ahead)
    found = doctor(bench.path, settings=Settings(), clock=container.clock)
    assert {each.severity for each in found if each.check in ("leases", "workers")} == {Severity.OK}
    container.store.maintenance.repair()
    assert bench.store.transitions.rescue() == []
    assert bench.complete(job) == []
    container.store.close()


@CLOCKS
def test_a_start_rate_is_not_forgotten_when_a_container_opens_the_queue(bench: Bench, ahead: float) -> None:
    report(bench)
    bench.rows("INSERT INTO jobdeck_starts VALUES ('mail', ?, 5)", bench.clock.monotonic())
    Container(bench, ahead).store.close()
    bench.open_again().close()
    assert bench.rows("SELECT n FROM jobdeck_starts") == [(5,)]


def test_a_worker_that_holds_jobs_stays_registered(bench: Bench) -> None:
    """Its row says which clock its leases are measured on."""
    report(bench)
    job = bench.running()
    bench.clock.advance(7200)
    assert bench.store.workers.prune(3600) == 0
    bench.store.transitions.rescue()
    assert bench.store.workers.prune(3600) == 1
    assert bench.get(job).state is State.PENDING
