"""Crashes at random points: short runs of the soak tests (see the README)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.core.helpers import wait_until
from tests.soak.ledger import Ledger
from tests.soak.sigterm import moments

from jobdeck import Queue, Reason, Settings, State, load_apps


def test_the_ledger_balances_after_twenty_kills(tmp_path: Path) -> None:
    with Ledger(tmp_path, seed=5) as ledger:
        verdict = ledger.run(20)
    assert verdict.problems == []
    assert verdict.kills == 20
    assert verdict.acknowledged > 50
    assert verdict.starts >= verdict.states["completed"] > 0


def test_a_worker_terminated_at_any_moment_leaves_nothing_behind(tmp_path: Path) -> None:
    assert moments(tmp_path, 10, seed=3) == []


POISON = """
import os
from jobdeck import job

@job(name="quick", max_attempts=2)
def quick() -> None:
    pass

@job(name="poison", max_attempts=5)
def poison() -> None:
    file = os.open(os.environ["DEATHS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, b"x")
    os.kill(os.getpid(), 9)
"""


def test_a_job_that_kills_its_worker_fails_after_its_attempts_and_fails_no_other_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "poison_tasks.py").write_text(POISON)
    monkeypatch.setenv("DEATHS", str(tmp_path / "deaths"))
    monkeypatch.setenv("JOBDECK_LEASE", "0.6")
    app = str(tmp_path / "poison_tasks.py")
    load_apps([app])
    with Queue(settings=Settings(database=str(tmp_path / "jobs.db"), synchronous="OFF")) as queue:
        queue.enqueue_bulk("quick", [{}] * 150)
        poison = queue.enqueue("poison")
        queue.enqueue_bulk("quick", [{}] * 150)
        argv = [sys.executable, "-m", "jobdeck_tui", "--db", queue.where, "--app", app, "worker", "--threads", "4"]
        worker = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
        workers = [worker]

        def done() -> bool:
            if workers[-1].poll() is not None:  # the poison job killed it
                workers.append(subprocess.Popen(argv, stderr=subprocess.DEVNULL))
            return queue.count("state:pending,running,scheduled,retrying") == 0

        try:
            wait_until(done, timeout=60)
        finally:
            for each in workers:
                each.terminate()
                each.wait()
        ended = queue.get(poison.id)
        assert (ended.state, ended.reason, ended.crashes) == (State.FAILED, Reason.CRASHED, 5)
        assert len((tmp_path / "deaths").read_text()) == 5
        assert queue.count("kind:quick state:completed") == 300
        # Jobs claimed together with the poison job, mostly prefetched, lose an attempt once, not five times.
        neighbors = queue.list("kind:quick", limit=1000)
        assert {job.crashes for job in neighbors} == {0, 1}
        assert all(job.attempt == 1 + job.crashes for job in neighbors)
        assert sum(job.crashes for job in neighbors) > 4
