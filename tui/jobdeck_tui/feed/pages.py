"""Which jobs the table shows: the ids of all that match, and the records of those near the screen.

The ids are read on a thread of their own. A million of them take a second or two to sort, and meanwhile the screen goes on
showing the old rows, with everything else that the feed reads.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from jobdeck import FIELDS, Condition, InvalidFilter, Job, Queue, StoreReplaced, Term, parse

from .messages import Page, View

AHEAD = 60
"""Rows read before and after those on screen, so that moving seldom meets a row that is not there yet."""
EVERY = 0.45
"""Seconds between two readings of the list at least."""
PATIENCE = 20
"""A list of ids that took t seconds to read is not read again for 20 t: at most 5 % of a core's time."""
MOVING = frozenset({"took", "wait"})
"""Orders in which time alone moves jobs: those that run, or wait."""
SOON = 0.12
"""Seconds to wait for a list before the old rows are shown with a sign that it is being read."""

Order = tuple[str, str, str, bool]


@dataclass(frozen=True, slots=True)
class Asked:
    """A list to read. Another number means another moment."""

    view: View
    number: int

    def same(self, view: View, number: int) -> bool:
        """Whether this is the same list of the same moment."""
        return (self.view.order, self.number) == (view.order, number)


@dataclass(frozen=True, slots=True)
class Listed:
    """A list that was read, or why it could not be."""

    asked: Asked
    ids: array[int] = field(default_factory=lambda: array("q"))
    begun: float = 0.0
    took: float = 0.0
    error: Exception | None = None
    version: object = None
    """The database's, just before."""

    def holds(self, asked: Asked, version: object) -> bool:
        """Whether another reading would find the same."""
        same = self.asked.same(asked.view, asked.number) and self.error is None
        return same and version is not None and version == self.version


class ListReader:
    """Reads lists of ids, one at a time. A list that is asked for takes the place of one that was not begun yet."""

    def __init__(self, queue: Queue, arrived: Callable[[], None]) -> None:
        """Make a reader; its thread starts with the first list.

        Args:
            queue: what is read.
            arrived: called on the reader's thread when a list has come.
        """
        self._queue = queue
        self._arrived = arrived
        self._changed = threading.Condition()
        self._next: tuple[Asked, Condition] | None = None
        self._at: Asked | None = None
        self._come: Listed | None = None
        self._last: Listed | None = None
        self._ended = False
        self._thread: threading.Thread | None = None

    def ask(self, asked: Asked, condition: Condition) -> None:
        """Read this list next."""
        with self._changed:
            self._next = (asked, condition)
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="jobdeck-lists", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def has(self, view: View, number: int) -> bool:
        """Whether that list is being read, or will be next."""
        with self._changed:
            asked = self._next[0] if self._next is not None else self._at
            return asked is not None and asked.same(view, number)

    def wait(self, seconds: float) -> None:
        """Wait until all that was asked for has been read, but not longer."""
        with self._changed:
            self._changed.wait_for(lambda: self._next is None and self._at is None, seconds)

    def take(self) -> Listed | None:
        """The newest list that was read and not taken yet."""
        with self._changed:
            come, self._come = self._come, None
            return come

    def end(self) -> None:
        """End the thread."""
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
                (asked, condition), self._next = self._next, None
                self._at = asked
            listed = self._last = self._read(asked, condition, self._last)
            with self._changed:
                self._at, self._come = None, listed
                self._changed.notify_all()
            self._arrived()

    def _read(self, asked: Asked, condition: Condition, last: Listed | None) -> Listed:
        begun = time.monotonic()
        try:
            version = None if _moves(condition, asked.view) else self._queue.version()
            if last is not None and last.holds(asked, version):
                return last
            ids = self._queue.ids(condition, sort=asked.view.sort, descending=asked.view.descending)
        except Exception as error:  # told by whoever takes it; the thread lives on
            return Listed(asked, begun=begun, error=error)
        return Listed(asked, ids, begun, time.monotonic() - begun, version=version)


def _moves(condition: Condition, view: View) -> bool:
    """Whether time alone changes what matches, or its order."""
    return view.sort in MOVING or any(FIELDS.get(term.field, ("",))[0] == "duration" for term in condition.terms)


class Pages:
    """The pages of the job table. Used by the feed's thread only."""

    def __init__(self, queue: Queue, arrived: Callable[[], None]) -> None:
        """Make them; see `ListReader`."""
        self.view = View()
        """What the table wants to see."""
        self._queue = queue
        self._reader = ListReader(queue, arrived)
        self._listed = Listed(Asked(View(filter="\0"), 0))
        self._number = 0
        self._again_at = 0.0
        self._failed: Listed | None = None
        self._frozen = False
        self._held_still: dict[int, Job] = {}
        self._shown: Mapping[int, Job] = {}

    def again(self) -> None:
        """What was listed has changed: list it anew."""
        self._number += 1
        self._again_at = 0.0

    def forget(self) -> None:
        """Another database has taken the place of the one that was listed. What is wanted stays the same."""
        self._listed = Listed(Asked(View(filter="\0"), 0))
        self._failed = None
        self._held_still, self._shown = {}, {}
        self.again()

    def freeze(self, frozen: bool) -> None:
        """Hold what is shown as it is, or let it go; another filter or order is read all the same."""
        if frozen and not self._frozen:
            self._held_still = dict(self._shown)
        self._frozen = frozen

    def end(self) -> None:
        """End the reader."""
        self._reader.end()

    def read(self) -> Page:
        """The page that the view wants; the old rows while the list is being read, or its filter is wrong.

        Raises:
            JobdeckError: the list could not be read.
        """
        view = self.view
        self._take()
        if self._failed is not None:
            if self._failed.asked.same(view, self._number) and time.monotonic() < self._failed.begun + EVERY:
                assert self._failed.error is not None
                raise self._failed.error  # it is read again in a moment, not at once and for ever
            self._failed = None
        if self._wanting(view):
            try:
                condition = condition_of(view.filter, view.tab)
            except InvalidFilter as error:
                # Keep showing what was there: a filter is wrong most of the time while it is typed.
                return self._window(view, problem=error.problem, column=error.column)
            if not self._reader.has(view, self._number):
                self._reader.ask(Asked(view, self._number), condition)
                self._reader.wait(SOON)
                self._take()
        return self._window(view)

    def _wanting(self, view: View) -> bool:
        if self._listed.asked.view.order != view.order:
            return True
        return not self._frozen and time.monotonic() >= self._again_at

    def _take(self) -> None:
        come = self._reader.take()
        if come is None:
            return
        if isinstance(come.error, StoreReplaced):
            return  # the feed hears of it by itself; the list is read again
        if come.error is not None:
            self._failed = replace(come, begun=time.monotonic())
            raise come.error
        if come.asked.view.order != self.view.order:
            return  # what is wanted by now is on its way
        self._listed = come
        if come.asked.number == self._number:
            # One that was not read again has cost nothing since.
            self._again_at = max(come.begun + max(EVERY, PATIENCE * come.took), time.monotonic() + EVERY / 2)

    def _window(self, view: View, problem: str | None = None, column: int = 0) -> Page:
        of, ids = self._listed.asked.view, self._listed.ids
        first = max(0, min(view.top, len(ids)) - AHEAD)
        wanted = ids[first : view.top + view.rows + AHEAD]
        if not self._frozen:
            self._held_still = {}
        # A frozen view shows each job as it was when it was first seen.
        unseen = [job_id for job_id in wanted if job_id not in self._held_still]
        jobs = {**self._held_still, **{job.id: job for job in self._queue.get_many(unseen)}}
        if self._frozen:
            self._held_still = jobs
        self._shown = jobs
        shown = view
        if of.order != view.order:
            shown = replace(view, filter=of.filter, tab=of.tab, sort=of.sort, descending=of.descending)
        first_time = self._listed.begun == 0.0
        return Page(
            view if first_time else shown,
            ids,
            jobs,
            problem,
            column,
            reading=problem is None and of.order != view.order,
            wanted=view,
        )


def condition_of(filter: str, tab: str) -> Condition:
    """What a filter and a tab ask for together. Raises `InvalidFilter`."""
    condition = parse(filter)
    return condition if tab == "all" else condition.and_(Term("state", ":", (tab,)))
