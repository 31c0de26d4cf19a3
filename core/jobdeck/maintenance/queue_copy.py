"""Copies a queue to another database, of the same or of another type, and marks the source as moved."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random

from ..clock import Clock, SystemClock, time
from ..execution.drain_request import request_drain
from ..model.address import DatabaseAddress
from ..model.errors import StoreFailed, StoreRefused
from ..model.record_class import record
from ..settings import Settings
from ..store.base import Store
from ..store.connect import open_store, read_schema
from ..store.moved import INCOMING, MOVED, ORIGIN, Mark
from ..store.transfer import TABLES, Table

Progress = Callable[[int, int], None]
"""Called with the number of rows that are done, and the total."""
DRAIN_POLL = 0.2
"""Seconds between two looks at workers that drain."""


@record
class QueueCopy:
    """The tables and rows that were copied, or would be."""

    rows: Mapping[str, int]
    """Table → number of rows. All of them are in the target, with the same digest."""
    seconds: float


def copy_queue(
    source: str | Path,
    target: str | Path,
    *,
    dry_run: bool = False,
    drain: bool = False,
    progress: Progress | None = None,
    settings: Settings | None = None,
    clock: Clock | None = None,
) -> QueueCopy:
    """Copy a queue with all that it holds, verify the copy, and mark the source as moved.

    The source refuses all writes from the start. A copy that was interrupted continues if it is started again. Jobs keep
    their ids, and those of workers that died run again. The workers of the source are not copied.

    Args:
        source: the address of the queue.
        target: the address of a database without a queue, or with an empty one.
        dry_run: count the rows and check both databases, and change nothing.
        drain: ask the live workers of the source to drain, and wait until they run nothing.
        progress: called after each batch with the number of rows that are done and the total; each row counts twice, for
            the copy and for its check.
        settings: the settings (default: read from the environment and `.env`).
        clock: the clock of both queues (default that of this machine or server).

    Raises:
        StoreRefused: a database cannot be used, has live workers, or the target holds another queue.
        StoreFailed: the copy differs from the source.
    """
    started = time.monotonic()
    settings, clock = settings or Settings.load(), clock or SystemClock()
    here, there = DatabaseAddress.parse(str(source)), DatabaseAddress.parse(str(target))
    if here.text == there.text or (here.file and there.file and _is_same(here.file, there.file)):
        raise StoreRefused(_full_name(there), "is the source itself")
    with ExitStack() as stack:

        def open_(address: DatabaseAddress, *, create: bool, readonly: bool = False) -> Store:
            store = open_store(address, settings, clock, Random(), adopt=False, create=create, readonly=readonly, moved=True)
            stack.callback(store.close)
            return store

        if dry_run:
            first = open_(here, create=False, readonly=True)
            _Copy(
                first,
                _full_name(here),
                None if read_schema(there)[0] == 0 else open_(there, create=False, readonly=True),
                _full_name(there),
            ).check(settings.lease, ignore_workers=drain)
            return QueueCopy(first.transfer.count(), time.monotonic() - started)
        first = open_(here, create=False)
        copy = _Copy(first, _full_name(here), open_(there, create=True), _full_name(there))
        if drain:
            copy.drain(settings.lease)
        copy.check(settings.lease)
        rows = copy.run(progress or (lambda done, total: None))
    return QueueCopy(rows, time.monotonic() - started)


def unmark_moved(source: str | Path, *, settings: Settings | None = None, clock: Clock | None = None) -> bool:
    """Let the source of a copy be used again; return whether it was marked. The copy stays as it is.

    Jobs that were enqueued or finished in the copy are not known to the source: use one of them only.

    Args:
        source: the address of the source.
        settings: the settings (default: read from the environment and `.env`).
        clock: the clock of the queue (default that of this machine or server).

    Raises:
        StoreRefused: the database cannot be used.
    """
    address = DatabaseAddress.parse(str(source))
    store = open_store(
        address, settings or Settings.load(), clock or SystemClock(), Random(), adopt=False, create=False, moved=True
    )
    try:
        marked = store.transfer.mark(MOVED) is not None
        store.transfer.unmark_source()
    finally:
        store.close()
    return marked


class _Copy:
    """One copy; `there` is `None` if the target holds no queue yet."""

    def __init__(self, here: Store, source: str, there: Store | None, target: str) -> None:
        self._here, self._source = here, source
        self._there, self._target = there, target

    def check(self, lease: float, *, ignore_workers: bool = False) -> None:
        """Refuse databases with live workers, and a target that holds anything but the beginning of this copy.

        Raises:
            StoreRefused: see above.
        """
        for store, where in ((self._here, self._source), (self._there, self._target)):
            alive = [] if store is None else [each for each in store.workers.list(lease) if each.alive and not each.draining]
            if alive and not (ignore_workers and store is self._here):
                names = ", ".join(each.id for each in alive[:3])
                raise StoreRefused(where, f"has {len(alive)} live workers ({names}); stop them, or copy with --drain")
            if store is not None and any(each.alive and each.running for each in store.workers.list(lease)):
                raise StoreRefused(where, "has workers that still run jobs; wait for them, or copy with --drain")
        moved = self._here.transfer.mark(MOVED)
        if moved is not None and (moved.complete or moved.other != self._target):
            raise StoreRefused(self._source, f"was moved to {moved.other} before; `jobdeck copy --unmark` undoes that")
        if self._here.transfer.mark(INCOMING) is not None:
            raise StoreRefused(self._source, "holds a copy that is not complete itself")
        if self._there is None:
            return
        if self._there.transfer.mark(MOVED) is not None:
            raise StoreRefused(self._target, "was moved itself; choose another database")
        origin = self._there.transfer.mark(ORIGIN)
        own = moved is not None and origin is not None and origin.token == moved.token
        if not own and self._there.transfer.mark(INCOMING) is None and any(self._there.transfer.count().values()):
            raise StoreRefused(self._target, "holds a queue already; choose an empty database")

    def drain(self, lease: float) -> None:
        """Ask the live workers of the source to drain, and wait until they run nothing."""
        workers, request = self._here.workers, self._here.notifier.request
        for each in workers.list(lease):
            if each.alive and not each.draining:
                request_drain(each.id, each.host, request)
        while any(each.alive and (each.running or not each.draining) for each in workers.list(lease)):
            time.sleep(DRAIN_POLL)

    def run(self, progress: Progress) -> Mapping[str, int]:
        """Copy all rows, check them, and mark both databases; return the number of rows of each table."""
        assert self._there is not None
        here, there = self._here.transfer, self._there.transfer
        mark = here.mark(MOVED) or Mark(os.urandom(8).hex(), self._target)
        here.mark_source(mark)
        found = there.mark(ORIGIN)
        if found is None or found.token != mark.token:
            incoming = there.mark(INCOMING)
            if incoming is not None and incoming.token != mark.token:
                there.empty()  # the beginning of another copy, which nobody could use
            there.mark_target(Mark(mark.token, self._source), complete=False)
        rows = here.count()
        meter = _Meter(progress, 2 * sum(rows.values()))
        if found is None or found.token != mark.token:
            for table in TABLES:
                self._copy(table, meter)
            there.set_highest_ids(here.highest_ids())
            for table in TABLES:
                self._verify(table)
                meter.add(rows[table.name])
            there.mark_target(Mark(mark.token, self._source, complete=True), complete=True)
        here.mark_source(replace(mark, complete=True))
        return rows

    def _copy(self, table: Table, meter: _Meter) -> None:
        assert self._there is not None
        here, there = self._here.transfer, self._there.transfer
        if not table.by_id:
            there.replace(table, here)
            meter.add(there.digest(table)[0])
            return
        last = there.last_key(table)
        if last is not None:
            meter.add(there.count()[table.name])
        for rows in here.batches(table, last):
            there.append(table, rows)
            meter.add(len(rows))

    def _verify(self, table: Table) -> None:
        assert self._there is not None
        wanted, found = self._here.transfer.digest(table), self._there.transfer.digest(table)
        if wanted != found:
            raise StoreFailed(
                self._target,
                f"the copy of {table.name} differs from the source ({found[0]:,} rows of {wanted[0]:,});"
                " delete the copy, and start again",
            )


class _Meter:
    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def add(self, rows: int) -> None:
        self._done += rows
        self._progress(min(self._done, self._total), self._total)


def _full_name(address: DatabaseAddress) -> str:
    """Return the address as another process, in another folder, may use it."""
    return address.shown if address.file is None else str(address.file.absolute())


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
