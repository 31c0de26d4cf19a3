"""The path of the database is a symlink."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.core.helpers import open_queue
from tests.core.store.test_lost_file import count

from jobdeck import Settings, Severity, StoreRefused, StoreReplaced, doctor

COMMAND = ("shell", {"command": ["true"]})


def absolute(folder: Path) -> Path:
    (folder / "link.db").symlink_to(folder / "data" / "jobs.db")
    return folder / "link.db"


def relative(folder: Path) -> Path:
    (folder / "link.db").symlink_to(Path("data") / "jobs.db")
    return folder / "link.db"


def chain(folder: Path) -> Path:
    (folder / "second.db").symlink_to(relative(folder))
    (folder / "third.db").symlink_to("second.db")
    return folder / "third.db"


def folder_link(folder: Path) -> Path:
    (folder / "current").symlink_to("data")
    return folder / "current" / "jobs.db"


@pytest.mark.parametrize("exists", [True, False], ids=["exists", "dangling"])
@pytest.mark.parametrize("link", [absolute, relative, chain, folder_link])
def test_a_symlink_works_on_every_use(tmp_path: Path, link: object, exists: bool) -> None:
    assert callable(link)
    (tmp_path / "data").mkdir()
    if exists:
        open_queue(tmp_path / "data" / "jobs.db").close()
    path = link(tmp_path)
    with open_queue(path) as queue:
        queue.enqueue(*COMMAND)
        with open_queue(path) as again, open_queue(tmp_path / "data" / "jobs.db") as direct:
            again.enqueue(*COMMAND)
            direct.enqueue(*COMMAND)
        assert queue.count() == 3
        assert not [found for found in doctor(path, settings=Settings()) if found.severity is Severity.PROBLEM]
        queue.maintenance.backup(tmp_path / "copy.db")
        queue.store.maintenance.checkpoint(0)
    assert [each.name for each in (tmp_path / "data").iterdir()] == ["jobs.db"]
    with open_queue(path) as queue:
        queue.enqueue(*COMMAND)
        assert queue.count() == 4
        assert count(path) == 4


def test_a_symlink_that_leads_to_another_database_later_is_noticed(tmp_path: Path) -> None:
    for name, jobs in (("one", 1), ("two", 2)):
        with open_queue(tmp_path / f"{name}.db") as queue:
            for _ in range(jobs):
                queue.enqueue(*COMMAND)
    link = tmp_path / "link.db"
    link.symlink_to("one.db")
    with open_queue(link) as queue:
        queue.enqueue(*COMMAND)
        (tmp_path / "new.db").symlink_to("two.db")
        (tmp_path / "new.db").rename(link)
        with pytest.raises(StoreReplaced):
            queue.enqueue(*COMMAND)
        queue.enqueue(*COMMAND)
        assert queue.count() == 3
    assert count(tmp_path / "one.db") == 2
    assert count(tmp_path / "two.db") == 3


def test_a_symlink_to_itself_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to("link.db")
    with pytest.raises(StoreRefused, match=r"link\.db is a symbolic link that leads to itself"):
        open_queue(tmp_path / "link.db")
