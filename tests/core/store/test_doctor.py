"""The doctor finds problems, advises what to do, and changes nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import apsw
import pytest
from tests.core.helpers import Bench, FakeClock, open_sqlite
from tests.core.store.test_refusals import REFUSED, newer

from jobdeck import Finding, Queue, Settings, Severity, State, WorkerInfo, doctor
from jobdeck.store.filesystem import NETWORK, kind_of

OK, WARNING, PROBLEM = Severity.OK, Severity.WARNING, Severity.PROBLEM


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock) -> Iterator[Bench]:
    path = tmp_path / "jobs.db"
    store = open_sqlite(path, clock)
    yield Bench(store, clock, path)
    store.close()


def look(bench: Bench, *, full: bool = False, **settings: object) -> dict[str, Finding]:
    """Return the findings by check; if a check has several, the last one."""
    found = doctor(bench.path, settings=Settings(**settings), clock=bench.clock, full=full)  # type: ignore[arg-type]
    for each in found:
        assert bool(each.advice) == (each.severity is not OK), each
        assert each.message.endswith("."), each
    return {each.check: each for each in found}


def severities(bench: Bench, **more: object) -> dict[str, Severity]:
    return {check: each.severity for check, each in look(bench, **more).items() if each.severity is not OK}


@pytest.fixture(autouse=True)
def _calm_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the tests independent of the machine's disk and file system."""
    monkeypatch.setattr("jobdeck.store.sqlite.doctor.environment_checks.file_system_of", lambda path: "ext4")
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10**12}))


@pytest.mark.parametrize("full", [False, True])
def test_a_healthy_queue_has_only_ok_findings(bench: Bench, full: bool) -> None:
    for state in State:
        bench.in_state(state)
    found = look(bench, full=full)
    assert {check for check, each in found.items() if each.severity is not OK} == set()
    assert set(found) == {
        *("integrity", "schema", "size", "log", "durability", "rows", "counters", "leases", "workers", "clock", "orphans"),
        *("waits", "permissions", "disk", "file system", "sqlite", "wake-up"),
    }


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_not_a_queue_is_one_problem_and_stays_unchanged(tmp_path: Path, name: str) -> None:
    make, sentence = REFUSED[name]
    path = tmp_path / "jobs.db"
    make(path)
    before = path.read_bytes()
    (problem,) = [each for each in doctor(path) if each.check not in ("disk", "file system", "sqlite", "wake-up")]
    assert problem.severity is PROBLEM
    assert sentence in problem.message or "damaged" in problem.message
    assert problem.advice
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["jobs.db"]


def test_damage_inside_the_file_is_found_without_writing_to_it(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    with Queue(path, settings=Settings(synchronous="OFF")) as queue:
        queue.enqueue_many([queue.new_job("shell", {"command": ["x" * 1000]}) for _ in range(500)])
    content = bytearray(path.read_bytes())
    content[-40_000:-20_000] = b"\xa5" * 20_000
    path.write_bytes(content)
    # Another boot: opening the queue would record it.
    (found,) = [each for each in doctor(path, clock=FakeClock()) if each.severity is PROBLEM]
    assert found.check == "integrity"
    assert "damaged" in found.message
    assert "last backup" in found.advice
    assert path.read_bytes() == bytes(content)
    assert [entry.name for entry in tmp_path.iterdir()] == ["jobs.db"]


def test_an_index_that_disagrees_with_its_table_is_found_by_a_full_check(bench: Bench) -> None:
    bench.enqueue()
    connection = apsw.Connection(str(bench.path))
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(
        "UPDATE sqlite_schema SET sql = replace(sql, 'queue, kind', 'kind, queue') WHERE name = 'jobdeck_by_lane'"
    )
    connection.close()
    assert look(bench)["integrity"].severity is OK
    assert look(bench, full=True)["integrity"].severity is PROBLEM


def test_the_wal_of_a_killed_process_stays_in_place(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    script = f"""
import os
from jobdeck import Queue
queue = Queue({str(path)!r})
queue.enqueue("shell", {{"command": ["true"]}})
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    files = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir() if not entry.name.endswith("-shm")}
    assert files["jobs.db-wal"]
    assert "the 1 job" in next(each.message for each in doctor(path) if each.check == "counters")
    assert {name: (tmp_path / name).read_bytes() for name in files} == files


def test_a_missing_database_is_a_problem_and_is_not_created(tmp_path: Path) -> None:
    first = doctor(tmp_path / "no" / "jobs.db")[0]
    assert (first.check, first.severity) == ("database", PROBLEM)
    assert not list(tmp_path.iterdir())
    assert doctor("mysql://host/jobs")[0].severity is PROBLEM
    assert doctor("a\0b")[0].severity is PROBLEM
    assert doctor(tmp_path)[0].severity is PROBLEM


def test_an_older_schema_is_reported_and_not_upgraded(bench: Bench) -> None:
    bench.change("UPDATE jobdeck_meta SET value = '1' WHERE key = 'schema'")
    found = look(bench)
    assert found["schema"].severity is WARNING
    assert "counters" not in found
    assert bench.rows("SELECT value FROM jobdeck_meta WHERE key = 'schema'") == [("1",)]


def test_a_newer_schema_is_a_problem(tmp_path: Path) -> None:
    newer(tmp_path / "jobs.db")
    assert "newer jobdeck" in doctor(tmp_path / "jobs.db")[0].message


@pytest.mark.parametrize(("synchronous", "severity"), [("FULL", OK), ("NORMAL", WARNING), ("OFF", PROBLEM)])
def test_the_effective_durability_is_reported(bench: Bench, synchronous: str, severity: Severity) -> None:
    found = look(bench, synchronous=synchronous)["durability"]
    assert found.severity is severity
    assert synchronous in found.message


def test_a_wal_that_grows_because_of_a_reader_is_a_warning(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.enqueue()
    assert look(bench)["log"].severity is OK
    monkeypatch.setattr("jobdeck.store.sqlite.doctor.file_checks._LOG_LARGE", 1000)
    assert severities(bench) == {"log": WARNING}


def test_wrong_counters_are_a_problem_that_a_repair_fixes(bench: Bench) -> None:
    bench.in_state(State.COMPLETED)
    bench.in_state(State.PENDING)
    bench.change("UPDATE jobdeck_counts SET n = n + 5 WHERE state = 'pending'")
    bench.change("DELETE FROM jobdeck_counts WHERE state = 'completed'")
    bench.change("INSERT INTO jobdeck_counts VALUES ('gone', 'demo.work', 'failed', 2)")
    assert severities(bench) == {"counters": PROBLEM}
    assert "3 counters" in look(bench)["counters"].message
    (told,) = bench.store.maintenance.repair()
    assert "3 counters" in told.message
    bench.check_counters()
    assert severities(bench) == {}
    assert bench.store.maintenance.repair() == []


def test_orphaned_rows_are_a_warning_and_a_repair_deletes_them(bench: Bench) -> None:
    job = bench.in_state(State.COMPLETED)
    bench.change("INSERT INTO jobdeck_attempts VALUES (99, 5, 1, 'w1', 0, 0, 'completed', NULL, NULL, NULL, NULL)")
    for text in "xy":
        bench.change("INSERT INTO jobdeck_logs (job_id, attempt, at, level, text) VALUES (99, 1, 0, 'info', ?)", text)
    bench.change("INSERT INTO jobdeck_after VALUES (99, ?)", job.id)
    bench.change("INSERT INTO jobdeck_batches VALUES (7, 'gone', 3, 0)")
    found = look(bench)["orphans"]
    assert found.severity is WARNING
    assert found.message == "1 attempt, 2 pieces of logs, 1 dependency, 1 batch without a job."
    bench.store.maintenance.repair()
    assert severities(bench) == {}
    assert len(bench.store.reader.attempts(job.id)) == 1


def test_jobs_that_wait_for_deleted_jobs_are_a_problem(bench: Bench) -> None:
    child = bench.in_state(State.WAITING)
    assert severities(bench) == {}
    bench.change("INSERT INTO jobdeck_waits VALUES (99, ?)", child.id)
    found = look(bench)["waits"]
    assert found.severity is PROBLEM
    assert f"the first is {child.id}" in found.message
    assert "jobs that do not exist" in found.message


def worker(bench: Bench, name: str = "host:1:abc") -> None:
    bench.store.workers.report(
        WorkerInfo(id=name, host="host", pid=1, threads=4, queues=(), started_at=bench.clock.now(), heartbeat_at=0.0,
                   draining=False, running=0, alive=True)
    )  # fmt: skip


def test_an_expired_lease_without_a_rescue_is_a_warning_and_a_problem_if_a_worker_is_alive(bench: Bench) -> None:
    bench.running()
    bench.clock.advance(80)
    assert severities(bench) == {}  # a rescue may still happen
    bench.clock.advance(3600)
    assert severities(bench) == {"leases": WARNING}
    assert "61 min ago" in look(bench)["leases"].message
    worker(bench)
    assert severities(bench) == {"leases": PROBLEM}
    bench.store.transitions.rescue()
    assert severities(bench) == {}


def test_leases_of_an_earlier_boot_wait_for_a_worker(bench: Bench) -> None:
    bench.running()
    bench.clock.reboot()
    found = look(bench)["leases"]
    assert found.severity is WARNING
    assert "when the machine last stopped" in found.message


def test_a_lease_far_in_the_future_is_a_problem_that_a_repair_fixes(bench: Bench) -> None:
    job = bench.running()
    bench.change("UPDATE jobdeck_jobs SET lease_until = lease_until + 1e7")  # as if the clock was reset undetected
    assert severities(bench) == {"leases": PROBLEM}
    assert bench.store.transitions.rescue() == []
    bench.store.maintenance.repair()
    assert bench.store.transitions.rescue() == [job.id]


def test_a_silent_worker_is_a_warning(bench: Bench) -> None:
    worker(bench)
    worker(bench, "host:2:def")
    assert "2 workers alive" in look(bench)["workers"].message
    bench.clock.advance(300)
    worker(bench)
    found = [each for each in doctor(bench.path, settings=Settings(), clock=bench.clock) if each.check == "workers"]
    assert [each.severity for each in found] == [WARNING, OK]
    assert "host:2:def" in found[0].message
    assert "5 min" in found[0].message


def test_a_wall_clock_that_was_set_back_is_a_warning(bench: Bench) -> None:
    bench.enqueue()
    bench.clock.jump(-3)
    assert severities(bench) == {}
    bench.clock.jump(-2 * 86400)
    found = look(bench)["clock"]
    assert found.severity is WARNING
    assert "2 days in the future" in found.message


@pytest.mark.parametrize(("free", "severity"), [(10**12, OK), (300_000_000, WARNING), (10_000_000, PROBLEM)])
def test_a_nearly_full_disk_is_reported(bench: Bench, monkeypatch: pytest.MonkeyPatch, free: int, severity: Severity) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": free}))
    assert look(bench)["disk"].severity is severity


@pytest.mark.parametrize(
    ("kind", "severity"),
    [("ext4", OK), ("overlay", OK), (None, OK), ("tmpfs", WARNING), ("fuseblk", WARNING), ("virtiofs", WARNING)]
    + [(kind, PROBLEM) for kind in ("nfs4", "cifs", "9p", "fuse.sshfs")],
)
def test_file_systems_with_unreliable_locks_are_reported(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str | None, severity: Severity
) -> None:
    monkeypatch.setattr("jobdeck.store.sqlite.doctor.environment_checks.file_system_of", lambda path: kind)
    found = look(bench)["file system"]
    assert found.severity is severity
    assert kind is None or kind in found.message


def test_a_queue_whose_workers_cannot_be_notified_is_a_warning(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    monkeypatch.setattr("jobdeck.store.sqlite.doctor.environment_checks._HEARD", 0.05)
    assert severities(bench) == {"wake-up": WARNING}


def test_an_sqlite_that_loses_writes_is_a_problem(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apsw.sqlite_lib_version", lambda: "3.51.2")
    assert severities(bench) == {"sqlite": PROBLEM}


def test_a_busy_queue_can_be_checked(tmp_path: Path) -> None:
    with Queue(tmp_path / "jobs.db", settings=Settings(), random=Random(7)) as queue:
        queue.enqueue("shell", {"command": ["true"]})
        assert [each for each in queue.maintenance.doctor(full=True) if each.severity is not OK] == []
        assert queue.maintenance.repair() == []


MOUNTS = """\
/dev/vda / ext4 rw 0 0
tmpfs /tmp tmpfs rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb /home/ann/my\\040disk xfs rw 0 0
/dev/sdc /mnt ext4 rw 0 0
host /mnt fuse.sshfs rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/jobs.db", "ext4"),
        ("/tmp/jobs.db", "tmpfs"),
        ("/tmpfile", "ext4"),
        ("/home/ann/jobs.db", "nfs4"),
        ("/home/ann/my disk/jobs.db", "xfs"),
        ("/mnt/jobs.db", "fuse.sshfs"),
    ],
)
def test_the_nearest_mount_above_a_path_determines_its_file_system(path: str, kind: str) -> None:
    assert kind_of(Path(path), MOUNTS) == kind
    assert (kind in NETWORK) == (kind in ("nfs4", "fuse.sshfs"))


def test_without_a_list_of_mounts_the_file_system_is_unknown() -> None:
    assert kind_of(Path("/var/jobs.db"), "") is None
