"""The pages of the job table, and how seldom they read the queue."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.core.helpers import wait_until

from jobdeck import Queue
from jobdeck_tui.feed import pages as module
from jobdeck_tui.feed.messages import View
from jobdeck_tui.feed.pages import Pages


class Watched(Queue):
    """Counts the reads of lists of ids."""

    lists = 0

    def ids(self, *args: Any, **options: Any) -> array[int]:
        self.lists += 1
        return super().ids(*args, **options)


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setattr(module, "EVERY", 0.0)
    monkeypatch.setattr(module, "PATIENCE", 0)
    with Watched(tmp_path / "jobs.db") as queue:
        yield queue


@pytest.fixture
def pages(queue: Watched) -> Iterator[Pages]:
    pages = Pages(queue, lambda: None)
    yield pages
    pages.end()


def enqueue(queue: Queue) -> int:
    return queue.enqueue("shell", {"command": ["true"]}).id


def test_a_list_is_not_reread_while_the_database_is_unchanged(queue: Watched, pages: Pages) -> None:
    first = enqueue(queue)
    wait_until(lambda: list(pages.read().ids) == [first])
    read = queue.lists
    for _ in range(20):
        assert list(pages.read().ids) == [first]
    assert queue.lists == read
    second = enqueue(queue)
    wait_until(lambda: list(pages.read().ids) == [second, first])


@pytest.mark.parametrize("view", [View(filter="age<1h"), View(sort="took"), View(sort="wait")])
def test_a_list_that_time_alone_changes_is_reread(queue: Watched, pages: Pages, view: View) -> None:
    enqueue(queue)
    pages.view = view
    pages.read()
    read = queue.lists
    wait_until(lambda: pages.read() is not None and queue.lists > read + 2)
