"""The jobs that the table shows: the ids of all that match, and the records of those near the screen.

The ids are read on a separate thread. A million of them take a second or two to sort; meanwhile the screen keeps showing the
old rows, with everything else that the feed reads.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable, Mapping
from dataclasses import field, replace

from jobdeck import FIELDS, Condition, InvalidFilter, Job, Queue, StoreReplaced, Term, parse_filter, record

from .messages import JobsPage, View

AHEAD = 60
"""Rows read before and after those on screen, so that scrolling seldom meets a row that is not loaded yet."""
EVERY = 0.45
"""The least number of seconds between two reads of the list."""
PATIENCE = 20
"""A list of ids that took t seconds to read is not read again for 20 t, so that it takes at most 5 % of a core's time."""
MOVING = frozenset({"took", "wait"})
"""Sort orders in which running or waiting jobs move as time passes."""
SOON = 0.12
"""Seconds to wait for a list before the old rows are shown, marked as loading."""

Order = tuple[str, str, str, bool]


@record
class ListRequest:
    """A list to read. A different number means a different moment."""

    view: View
    number: int

    def same(self, view: View, number: int) -> bool:
        """Return whether this is the same list of the same moment."""
        return (self.view.order, self.number) == (view.order, number)


@record
class ListedIds:
    """A list that was read, or the error."""

    request: ListRequest
    ids: array[int] = field(default_factory=lambda: array("q"))
    started_at: float = 0.0
    took: float = 0.0
    error: Exception | None = None
    version: object = None
    """The version of the database just before the read."""

    def holds(self, request: ListRequest, version: object) -> bool:
        """Return whether reading again would give the same list."""
        same = self.request.same(request.view, request.number) and self.error is None
        return same and version is not None and version == self.version


class ListReader:
    """Reads lists of ids, one at a time. A new request replaces one that has not started yet."""

    def __init__(self, queue: Queue, arrived: Callable[[], None]) -> None:
        """Create a reader; its thread starts with the first list.

        Args:
            queue: the queue to read.
            arrived: called on the reader's thread when a list is ready.
        """
        self._queue = queue
        self._arrived = arrived
        self._changed = threading.Condition()
        self._next: tuple[ListRequest, Condition] | None = None
        self._current: ListRequest | None = None
        self._ready: ListedIds | None = None
        self._last: ListedIds | None = None
        self._ended = False
        self._thread: threading.Thread | None = None

    def request(self, request: ListRequest, condition: Condition) -> None:
        """Read this list next."""
        with self._changed:
            self._next = (request, condition)
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="jobdeck-lists", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def has(self, view: View, number: int) -> bool:
        """Return whether that list is being read, or is next."""
        with self._changed:
            request = self._next[0] if self._next is not None else self._current
            return request is not None and request.same(view, number)

    def wait(self, seconds: float) -> None:
        """Wait until all requested lists have been read, at most `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self._next is None and self._current is None, seconds)

    def take(self) -> ListedIds | None:
        """Return the newest list that was read and not taken yet."""
        with self._changed:
            ready, self._ready = self._ready, None
            return ready

    def end(self) -> None:
        """Stop the thread."""
        with self._changed:
            self._ended, self._next = True, None
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._next is not None or self._ended)
                if self._next is None:
                    return
                (request, condition), self._next = self._next, None
                self._current = request
            listed = self._last = self._read(request, condition, self._last)
            with self._changed:
                self._current, self._ready = None, listed
                self._changed.notify_all()
            self._arrived()

    def _read(self, request: ListRequest, condition: Condition, last: ListedIds | None) -> ListedIds:
        start = time.monotonic()
        try:
            version = None if _changes_with_time(condition, request.view) else self._queue.version()
            if last is not None and last.holds(request, version):
                return last
            ids = self._queue.ids(condition, sort=request.view.sort, descending=request.view.descending)
        except Exception as error:  # raised by the reader of the list; the thread lives on
            return ListedIds(request, started_at=start, error=error)
        return ListedIds(request, ids, start, time.monotonic() - start, version=version)


def _changes_with_time(condition: Condition, view: View) -> bool:
    """Return whether time alone changes the matches or their order."""
    return view.sort in MOVING or any(FIELDS.get(term.field, ("",))[0] == "duration" for term in condition.terms)


class Pages:
    """Reads the pages of the job table. Used by the feed's thread only."""

    def __init__(self, queue: Queue, arrived: Callable[[], None]) -> None:
        """Create the reader of the lists; see `ListReader`."""
        self.view = View()
        """The view that the table wants."""
        self._queue = queue
        self._reader = ListReader(queue, arrived)
        self._listed = ListedIds(ListRequest(View(filter="\0"), 0))
        self._number = 0
        self._reread_at = 0.0
        self._failed: ListedIds | None = None
        self._frozen = False
        self._frozen_jobs: dict[int, Job] = {}
        self._shown: Mapping[int, Job] = {}

    def reread(self) -> None:
        """Read the list again, since it has changed."""
        self._number += 1
        self._reread_at = 0.0

    def forget(self) -> None:
        """Discard all lists, since another database has replaced the previous one. The view stays the same."""
        self._listed = ListedIds(ListRequest(View(filter="\0"), 0))
        self._failed = None
        self._frozen_jobs, self._shown = {}, {}
        self.reread()

    def freeze(self, frozen: bool) -> None:
        """Freeze or unfreeze the rows; a new filter or order is read even while frozen."""
        if frozen and not self._frozen:
            self._frozen_jobs = dict(self._shown)
        self._frozen = frozen

    def end(self) -> None:
        """Stop the reader."""
        self._reader.end()

    def read(self) -> JobsPage:
        """Return the page that the view wants; the old rows while the list is being read, or if its filter is invalid.

        Raises:
            JobdeckError: the list could not be read.
        """
        view = self.view
        self._take()
        if self._failed is not None:
            if self._failed.request.same(view, self._number) and time.monotonic() < self._failed.started_at + EVERY:
                assert self._failed.error is not None
                raise self._failed.error  # it is read again after a pause, not in a tight loop
            self._failed = None
        if self._needs_reading(view):
            try:
                condition = condition_of(view.filter, view.tab)
            except InvalidFilter as error:
                # Keep the old rows: a filter is invalid most of the time while it is typed.
                return self._window(view, problem=error.problem, column=error.column)
            if not self._reader.has(view, self._number):
                self._reader.request(ListRequest(view, self._number), condition)
                self._reader.wait(SOON)
                self._take()
        return self._window(view)

    def _needs_reading(self, view: View) -> bool:
        if self._listed.request.view.order != view.order:
            return True
        return not self._frozen and time.monotonic() >= self._reread_at

    def _take(self) -> None:
        listed = self._reader.take()
        if listed is None:
            return
        if isinstance(listed.error, StoreReplaced):
            return  # the feed gets this error itself; the list is read again
        if listed.error is not None:
            self._failed = replace(listed, started_at=time.monotonic())
            raise listed.error
        if listed.request.view.order != self.view.order:
            return  # the list of the current view follows
        self._listed = listed
        if listed.request.number == self._number:
            # An unchanged list was not read again, so its cost lies further back.
            self._reread_at = max(listed.started_at + max(EVERY, PATIENCE * listed.took), time.monotonic() + EVERY / 2)

    def _window(self, view: View, problem: str | None = None, column: int = 0) -> JobsPage:
        of, ids = self._listed.request.view, self._listed.ids
        first = max(0, min(view.top, len(ids)) - AHEAD)
        wanted = ids[first : view.top + view.rows + AHEAD]
        if not self._frozen:
            self._frozen_jobs = {}
        # A frozen view shows each job as it was when it was first read.
        unseen = [job_id for job_id in wanted if job_id not in self._frozen_jobs]
        jobs = {**self._frozen_jobs, **{job.id: job for job in self._queue.get_many(unseen)}}
        if self._frozen:
            self._frozen_jobs = jobs
        self._shown = jobs
        shown = view
        if of.order != view.order:
            shown = replace(view, filter=of.filter, tab=of.tab, sort=of.sort, descending=of.descending)
        first_time = self._listed.started_at == 0.0
        return JobsPage(
            view if first_time else shown,
            ids,
            jobs,
            problem,
            column,
            reading=problem is None and of.order != view.order,
            wanted=view,
        )


def condition_of(filter: str, tab: str) -> Condition:
    """Combine a filter and a tab into one condition. Raises `InvalidFilter`."""
    condition = parse_filter(filter)
    return condition if tab == "all" else condition.and_(Term("state", ":", (tab,)))
