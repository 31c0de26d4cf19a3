"""A queue is copied to another database with all that it holds, and the source says where it went."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.core.full_queue import dump, fill, registry
from tests.core.helpers import ADDRESSES, CLOSES, wait_until

from jobdeck import Queue, State, StoreFailed, StoreRefused, Worker, copy_queue, unmark_moved
from jobdeck.store.transfer import Transfer

Databases = tuple[str, str]
METHODS = {"append": 2, "replace": 2, "set_highest_ids": 0, "digest": 9, "mark_target": 1, "mark_source": 1}
"""Methods that a copy calls, each with the number of calls after which a test interrupts it."""
WAYS = [
    pytest.param(("sqlite", "sqlite"), id="file-to-file"),
    pytest.param(("sqlite", "postgres"), id="file-to-server", marks=pytest.mark.postgres),
    pytest.param(("postgres", "sqlite"), id="server-to-file", marks=pytest.mark.postgres),
    pytest.param(("postgres", "postgres"), id="server-to-server", marks=pytest.mark.postgres),
]


@pytest.fixture
def databases(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Databases]:
    """Return the addresses of two databases, of the types that the test's parameter names."""
    monkeypatch.setenv("JOBDECK_SYNCHRONOUS", "OFF")
    kinds = request.param
    paths = [tmp_path / "source.db", tmp_path / "target.db"]
    first, second = (ADDRESSES[kind](path) for kind, path in zip(kinds, paths, strict=True))
    yield first, second
    for kind, path in zip(kinds, paths, strict=True):
        CLOSES[kind](path)


every_way = pytest.mark.parametrize("databases", WAYS, indirect=True)
some_ways = pytest.mark.parametrize("databases", [WAYS[0], WAYS[1], WAYS[2]], indirect=True)


@every_way
def test_every_table_of_a_copy_is_equal(databases: Databases) -> None:
    source, target = databases
    fill(source)
    before = dump(source)
    assert all(before.values()), [table for table, rows in before.items() if not rows]
    counted = copy_queue(source, target, dry_run=True).rows
    seen: list[tuple[int, int]] = []
    copied = copy_queue(source, target, progress=lambda done, total: seen.append((done, total)))
    assert dump(target) == before == dump(source)
    assert copied.rows == counted == {table: len(rows) for table, rows in before.items()}
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] == 2 * sum(copied.rows.values())


@some_ways
def test_the_copy_goes_on_where_the_source_stopped(databases: Databases) -> None:
    source, target = databases
    fill(source)
    highest = max(row[0] for row in dump(source)["jobdeck_jobs"])
    copy_queue(source, target)
    with Queue(target, registry=registry()) as queue:
        assert queue.enqueue("note").id == highest + 1
        assert queue.enqueue("note", unique="held").kind == "demo.parent"  # the key is still taken
        assert queue.store.journal.undo() is not None
        (running,) = queue.ids("state:running")
        assert queue.store.transitions.rescue() == []  # no lease ends early
        assert 0 < (queue.get(running).lease_until or 0) - queue.clock.now() <= 30.5
        with Worker(queue, threads=2):
            wait_until(lambda: queue.count("state:pending queue:default") == 0)
        assert queue.maintenance.repair() == []
        assert not [each for each in queue.maintenance.doctor() if each.check in ("counters", "rows", "schema") and each.advice]


@every_way
def test_whoever_opens_the_source_is_told_where_it_went_until_it_is_unmarked(databases: Databases) -> None:
    source, target = databases
    fill(source)
    with Queue(source, registry=registry()) as before:
        before.enqueue("note")
        copy_queue(source, target)
        for write in (
            lambda: before.enqueue("note"),
            lambda: before.pause("x"),
            lambda: before.cancel_many(before.ids("state:pending")),
        ):
            with pytest.raises(StoreRefused, match="was moved to"):
                write()
    for readonly in (False, True):
        with pytest.raises(StoreRefused, match=r"was moved to \S+; use that address, or `jobdeck copy --unmark` to use"):
            Queue(source, readonly=readonly)
    with pytest.raises(StoreRefused, match="was moved to"):
        copy_queue(source, target)
    assert unmark_moved(source)
    assert not unmark_moved(source)
    with Queue(source, registry=registry()) as again:
        again.enqueue("note")


@some_ways
@pytest.mark.parametrize("method", METHODS)
def test_an_interrupted_copy_cannot_be_used_and_continues(
    databases: Databases, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = databases
    fill(source)
    before = dump(source)
    interrupt(monkeypatch, method, after=METHODS[method])
    with pytest.raises(KeyboardInterrupt):
        copy_queue(source, target)
    monkeypatch.undo()
    if method != "mark_source":
        with pytest.raises(StoreRefused, match=r"holds a copy of \S+ that is not complete; run the same"):
            Queue(target)
    with pytest.raises(StoreRefused, match="is being copied to"):
        Queue(source)
    copy_queue(source, target)
    assert dump(target) == before
    Queue(target).close()


def interrupt(monkeypatch: pytest.MonkeyPatch, method: str, after: int) -> None:
    """Interrupt a copy instead of the call of a method of the store that comes after this number of calls."""
    left = after

    def counted(call: Callable[..., object]) -> Callable[..., object]:
        def interrupted(*args: object, **more: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            return call(*args, **more)

        return interrupted

    for each in (Transfer, *Transfer.__subclasses__()):
        call = vars(each).get(method)
        if call is not None and not getattr(call, "__isabstractmethod__", False):
            monkeypatch.setattr(each, method, counted(call))


@some_ways
def test_a_copy_that_differs_is_refused_and_stays_unusable(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = databases
    fill(source)
    right = Transfer.append

    def wrong(self: Transfer, table: object, rows: list[list[object]]) -> None:
        if getattr(table, "name", "") == "jobdeck_logs":
            rows = rows[1:]
        right(self, table, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(Transfer, "append", wrong)
    with pytest.raises(StoreFailed, match="the copy of jobdeck_logs differs from the source"):
        copy_queue(source, target)
    with pytest.raises(StoreRefused, match="is not complete"):
        Queue(target)
    monkeypatch.undo()
    assert unmark_moved(source)  # and starts again, from nothing
    copy_queue(source, target)
    assert dump(target) == dump(source)


@some_ways
def test_a_queue_with_live_workers_is_copied_only_once_they_have_drained(databases: Databases) -> None:
    source, target = databases
    with Queue(source, registry=registry()) as queue, Worker(queue, threads=1) as worker:
        for dry_run in (True, False):
            with pytest.raises(StoreRefused, match=r"has 1 live workers .*; stop them, or copy with --drain"):
                copy_queue(source, target, dry_run=dry_run)
        queue.enqueue("note")
        copy_queue(source, target, drain=True)
        assert worker.id
    with Queue(target, registry=registry()) as queue:
        assert queue.count("") == 1


@some_ways
def test_a_database_with_a_queue_is_no_target(databases: Databases) -> None:
    source, target = databases
    fill(source)
    with Queue(target, registry=registry()) as queue:
        queue.enqueue("note")
    for dry_run in (True, False):
        with pytest.raises(StoreRefused, match="holds a queue already; choose an empty database"):
            copy_queue(source, target, dry_run=dry_run)
    with pytest.raises(StoreRefused, match="is the source itself"):
        copy_queue(source, source)
    with Queue(source, registry=registry()) as queue:
        assert queue.enqueue("note").state is State.PENDING  # not marked


@some_ways
def test_a_dry_run_changes_nothing(databases: Databases) -> None:
    source, target = databases
    fill(source)
    before = dump(source)
    copy_queue(source, target, dry_run=True)
    assert dump(source) == before
    if not target.startswith("postgresql"):
        assert not Path(target).exists()
