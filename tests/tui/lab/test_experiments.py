"""Experiments: real processes, verdicts from what they left behind, nothing left at the end."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from jobdeck_tui.lab.audit import DOUBLE_RUNS, LOST_JOBS, OVERLAPPING_RUNS, Audit
from jobdeck_tui.lab.catalog import EXPERIMENTS, run_experiment
from jobdeck_tui.lab.experiments import race
from jobdeck_tui.lab.ledger import LedgerReader, append
from jobdeck_tui.lab.stage import ExperimentStopped, ExperimentStuck, Stage

SECOND_WORKER = os.getpid() + 1


def lines_of(lane: Path) -> list[dict[str, object]]:
    """The ledger of a lane, read without the lab."""
    return [json.loads(line) for line in (lane / "ledger").read_text().splitlines()]


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_a_race_counts_what_an_independent_reader_counts_whatever_the_users_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.db"
    for name, value in {"DATABASE": str(mine), "LEASE": "0.2", "QUEUES": "none", "LOG_LEVEL": "nonsense"}.items():
        monkeypatch.setenv(f"JOBDECK_{name}", value)
    with Stage(tmp_path, seed=7) as stage:
        findings = race.run(stage, jobs=60, processes=2)
    values = {(each.lane, each.claim): each.value for each in findings.verdicts}
    for lane, table in (("naive", "jobs"), ("jobdeck", "jobdeck_jobs")):
        runs = Counter(line["job"] for line in lines_of(tmp_path / lane) if line["event"] == "start")
        with closing(sqlite3.connect(tmp_path / lane / "jobs.db")) as database:
            completed = database.execute(f"SELECT count(*) FROM {table} WHERE state = 'completed'").fetchone()
        assert (len(runs), completed) == (60, (60,))
        assert values[lane, "jobs that ran twice"] == sum(n > 1 for n in runs.values())
        assert values[lane, "lost jobs"] == 0
    assert values["jobdeck", "jobs that ran twice"] == 0
    assert not any(verdict.is_broken for verdict in findings.verdicts)
    assert not mine.exists()
    assert not [each for each in stage.lanes for process in each.processes if process.is_alive]


def test_a_stage_that_fails_ends_its_processes_all_the_same(tmp_path: Path) -> None:
    processes = []

    def fail() -> None:
        with Stage(tmp_path, seed=7) as stage:
            processes.append(stage.lane("naive").start_worker())
            stage.wait(lambda: False, "a miracle", timeout=0)

    with pytest.raises(ExperimentStuck, match="waited 0 s for a miracle"):
        fail()
    assert not processes[0].is_alive


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_that_is_paused_stands_still_at_once(tmp_path: Path) -> None:
    with Stage(tmp_path, seed=7) as stage:
        lane = stage.lane("naive")
        process = lane.start_worker("--poll", "0")  # asks the database without a break
        lane.wait_ready(1)
        states = []
        for _ in range(30):
            process.pause()
            states.append(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0])
            process.resume()
    assert states == ["T"] * 30


def test_a_viewer_who_leaves_ends_the_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ExperimentStopped):
        run_experiment("scheduler", seed=7, on_stage=lambda stage: stage.stopped.set())
    assert [*tmp_path.iterdir()] == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_processes_of_a_lab_that_was_killed_die_with_it(tmp_path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from jobdeck_tui.lab.stage import Stage
lane = Stage(Path(sys.argv[1]), seed=7).lane("naive")
process = lane.start_worker()
lane.wait_ready(1)
print(process.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], env=environment, stdout=subprocess.PIPE, text=True)
    pid = int(done.stdout)
    deadline = time.monotonic() + 10
    while is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


# -- the audit ------------------------------------------------------------------------------------------------


def test_the_audit_counts_jobs_that_started_twice_and_those_that_never_ended(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as database:
        database.execute("CREATE TABLE jobs (id, state, attempt, worker, result)")
        database.execute("INSERT INTO jobs (id, state) VALUES (1, 'completed'), (2, 'running'), (3, 'completed')")
        database.commit()
    for event, job in (("start", 1), ("start", 2), ("start", 2), ("end", 1), ("start", 3)):
        append(ledger, event, job, 1)
    with Audit("naive", ledger, tmp_path / "jobs.db", is_jobdeck=False) as audit:
        assert audit.count(DOUBLE_RUNS) == 1
        assert audit.count(LOST_JOBS) == 2  # one is still running, and one says completed without ever having ended
        verdict = audit.judge("lost jobs", LOST_JOBS)
    assert (verdict.holds, verdict.is_own, verdict.is_broken) == (False, False, False)
    assert verdict.text == "naive: 2 lost jobs (must be 0)"


@pytest.mark.parametrize(("between", "overlap"), [(None, 1), ("end", 0), ("kill", 0)])
def test_two_runs_overlap_unless_the_first_has_ended_or_died(between: str | None, overlap: int, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    append(ledger, "start", 1, 1)
    if between is not None:
        append(ledger, between, 1 if between == "end" else None)
    append(ledger, "start", 1, 2, pid=SECOND_WORKER)
    append(ledger, "end", 1, 1)
    with Audit("jobdeck", ledger, None, is_jobdeck=True) as audit:
        assert audit.judge("overlaps", OVERLAPPING_RUNS).is_broken == bool(overlap)


def test_lines_of_many_writers_never_mix(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    threads = [
        threading.Thread(target=lambda n=n: [append(ledger, "start", n, i) for i in range(50)])  # type: ignore[misc]
        for n in range(4)
    ]
    reader = LedgerReader(ledger)
    for thread in threads:
        thread.start()
    read = [*reader.read()]
    for thread in threads:
        thread.join()
    read += reader.read()
    assert Counter(line.job for line in read) == dict.fromkeys(range(4), 50)


def test_every_experiment_of_the_list_has_a_module_that_runs_it() -> None:
    for experiment in EXPERIMENTS.values():
        module = __import__(f"jobdeck_tui.lab.experiments.{experiment.module}", fromlist=["run"])
        assert callable(module.run)
