"""A backup is complete or absent, consistent, and does not disturb other processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import apsw
import pytest
from tests.core.helpers import STORES, Bench, FakeClock, new, wait_until

from jobdeck import BackupFailed, Queue, Settings, State

pytestmark = pytest.mark.sqlite


def target(bench: Bench) -> Path:
    folder = bench.path.parent / "backups"
    folder.mkdir(exist_ok=True)
    return folder / "copy.db"


def refusal(bench: Bench, path: Path, **options: bool) -> str:
    before = {entry: entry.read_bytes() for entry in path.parent.iterdir() if entry.is_file()} if path.parent.is_dir() else {}
    with pytest.raises(BackupFailed) as caught:
        bench.store.maintenance.backup(path, **options)
    assert str(caught.value).startswith(f"No backup was written to {path}: ")
    if path.parent != bench.path.parent:
        assert all(entry.read_bytes() == content for entry, content in before.items())
        assert not path.parent.is_dir() or {entry for entry in path.parent.iterdir() if entry.is_file()} == set(before)
    return caught.value.problem


def test_a_backup_is_an_independent_queue(bench: Bench) -> None:
    states = [State.COMPLETED, State.FAILED, State.RUNNING, State.PENDING]
    jobs = [bench.in_state(state) for state in states]
    made = bench.store.maintenance.backup(target(bench))
    assert (made.path, made.jobs, made.size) == (target(bench), 4, target(bench).stat().st_size)
    assert [entry.name for entry in made.path.parent.iterdir()] == ["copy.db"]
    store = STORES["sqlite"](made.path, bench.clock)
    assert [job.state for job in store.reader.get_many([job.id for job in jobs])] == states
    assert store.enqueuer.enqueue([new()])[0].id > jobs[-1].id
    store.close()


def test_jobs_enqueued_during_a_backup_are_copied_completely_or_not_at_all(bench: Bench) -> None:
    bench.enqueue(*[new(args_json='{"text": "' + "x" * 2000 + '"}')] * 8000)
    ended = threading.Event()
    enqueued: list[int] = []

    def enqueue() -> None:
        while not ended.is_set():
            enqueued.extend(job.id for job in bench.enqueue(*[new()] * 5))

    told: list[tuple[int, int]] = []
    thread = threading.Thread(target=enqueue)
    thread.start()
    try:
        wait_until(lambda: enqueued)
        before = len(enqueued)

        def progress(done: int, total: int) -> None:
            told.append((done, total))
            seen = len(enqueued)
            wait_until(lambda: len(enqueued) > seen)  # other threads write between any two steps

        made = bench.store.maintenance.backup(target(bench), progress=progress)
        after = len(enqueued)
    finally:
        ended.set()
        thread.join()
    assert len(told) > 2
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]
    assert after > before
    assert 8000 + before <= made.jobs <= 8000 + after
    assert (made.jobs - 8000) % 5 == 0
    copy = apsw.Connection(str(made.path))
    assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert copy.execute("SELECT count(*) FROM jobdeck_jobs").get == made.jobs
    assert copy.execute("SELECT sum(n) FROM jobdeck_counts").get == made.jobs
    copy.close()


def test_an_existing_file_is_replaced_only_with_force(bench: Bench) -> None:
    bench.enqueue()
    path = target(bench)
    path.write_text("precious")
    assert refusal(bench, path) == "a file with this name already exists"
    assert bench.store.maintenance.backup(path, force=True).jobs == 1
    assert bench.store.maintenance.backup(path, force=True).jobs == 1


@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
def test_a_backup_never_overwrites_the_queue_itself(bench: Bench, ending: str) -> None:
    bench.enqueue()
    own = bench.path.with_name(bench.path.name + ending)
    link = bench.path.with_name("link.db")
    link.symlink_to(own)
    for path in (own, link):
        assert refusal(bench, path, force=True) == "it is a file of the queue itself"
    assert len(bench.claim()) == 1


def test_a_database_in_use_is_not_replaced(bench: Bench) -> None:
    bench.enqueue()
    store = STORES["sqlite"](target(bench), FakeClock())
    store.enqueuer.enqueue([new()])
    assert "is in use" in refusal(bench, target(bench), force=True)
    store.close()
    assert bench.store.maintenance.backup(target(bench), force=True).jobs == 1


def test_an_unusable_target_is_named(bench: Bench) -> None:
    assert refusal(bench, bench.path.parent / "no" / "copy.db") == f"there is no folder {bench.path.parent / 'no'}"
    (bench.path.parent / "folder").mkdir()
    assert "it is a folder" in refusal(bench, bench.path.parent / "folder")


def test_an_interrupted_backup_leaves_nothing_behind(bench: Bench) -> None:
    bench.enqueue(*[new()] * 100)

    def progress(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.store.maintenance.backup(target(bench), progress=progress)
    assert not list(target(bench).parent.iterdir())


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    """Simulate a full disk with a limit on the size of files."""
    path, copy = tmp_path / "jobs.db", tmp_path / "backups" / "copy.db"
    copy.parent.mkdir()
    with Queue(path, settings=Settings(synchronous="OFF")) as queue:
        queue.enqueue_many([queue.new_job("shell", {"command": ["x" * 1000]}) for _ in range(500)])
    script = f"""
import resource, signal
from jobdeck import BackupFailed, Queue
with Queue({str(path)!r}) as queue:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    try:
        queue.maintenance.backup({str(copy)!r})
    except BackupFailed as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ})
    assert done.stdout.startswith(f"No backup was written to {copy}: ")
    assert len(done.stdout.splitlines()) == 1
    assert not list(copy.parent.iterdir())


def test_a_damaged_queue_is_not_backed_up(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    with Queue(path, settings=Settings(synchronous="OFF")) as queue:
        queue.enqueue_many([queue.new_job("shell", {"command": ["x" * 1000]}) for _ in range(500)])
    content = bytearray(path.read_bytes())
    content[-40_000:-20_000] = b"\xa5" * 20_000
    path.write_bytes(content)
    with Queue(path) as queue, pytest.raises(BackupFailed, match="the copy is damaged, and so is the queue"):
        queue.maintenance.backup(tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


def test_the_copy_is_as_private_as_the_queue(bench: Bench) -> None:
    bench.enqueue()
    bench.path.chmod(0o600)
    assert bench.store.maintenance.backup(target(bench)).path.stat().st_mode & 0o777 == 0o600
