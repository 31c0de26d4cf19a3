"""A queue's files belong to its user alone, whatever the umask: they hold the arguments of all jobs."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.helpers import wait_until

from jobdeck import Queue, Severity, Worker, doctor

pytestmark = pytest.mark.sqlite


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture(params=[0o000, 0o002, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a temporary folder whose sockets have names that the system takes."""
    with tempfile.TemporaryDirectory(prefix="jd") as folder:
        monkeypatch.setattr("tempfile.tempdir", folder)
        yield Path(folder)


def test_everything_that_a_queue_makes_is_private(tmp_path: Path, short: Path, umask: int) -> None:
    folder = tmp_path / "made"
    with Queue(folder / "jobs.db") as queue:
        queue.enqueue("shell", {"command": ["true"]})
        with Worker(queue, threads=1):
            wait_until(lambda: queue.get(1).state.is_final)
            sockets = next(short.glob("jobdeck-*"))
            assert mode(sockets) == 0o700
            assert {each.name: mode(each) for each in folder.iterdir()} == {
                "jobs.db": 0o600, "jobs.db-wal": 0o600, "jobs.db-shm": 0o600,
            }  # fmt: skip
        queue.maintenance.backup(folder / "copy.db")
        queue.maintenance.backup(folder / "copy.db", force=True)
    assert mode(folder) == 0o700
    assert mode(folder / "copy.db") == 0o600


def test_a_database_that_is_created_anew_or_behind_a_link_is_private(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "jobs.db"
    with Queue(path) as queue:
        for each in tmp_path.iterdir():
            each.unlink()
        queue.recreate()
        queue.enqueue("shell", {"command": ["true"]})
        assert {mode(each) for each in tmp_path.iterdir()} == {0o600}
    (tmp_path / "link.db").symlink_to(tmp_path / "behind.db")
    Queue(tmp_path / "link.db").close()
    assert mode(tmp_path / "behind.db") == 0o600


def test_the_default_database_and_its_folders_are_private(tmp_path: Path, umask: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home" / "data"))
    monkeypatch.delenv("JOBDECK_DATABASE", raising=False)
    with Queue() as queue:
        assert queue.where == str(tmp_path / "home" / "data" / "jobdeck" / "jobs.db")
    assert mode(tmp_path / "home" / "data" / "jobdeck") == 0o700
    assert mode(Path(queue.where)) == 0o600


def test_an_existing_database_keeps_its_permissions_and_doctor_says_who_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    Queue(path).close()
    found = {each.check: each for each in doctor(path)}["permissions"]
    assert (found.severity, found.advice) == (Severity.OK, "")
    path.chmod(0o644)
    with Queue(path) as queue:
        queue.enqueue("shell", {"command": ["true"]})
        assert {mode(each) for each in tmp_path.iterdir()} == {0o644}  # a group may share a queue
        assert mode(queue.maintenance.backup(tmp_path / "copy.db").path) == 0o644
    found = {each.check: each for each in doctor(path)}["permissions"]
    assert found.severity is Severity.WARNING
    assert "Every user of this machine can read the file" in found.message
    assert found.advice == f"chmod o= {path}*"
