"""Which job of a list is chosen. The cursor follows the job's id, never a row. Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import takewhile

from ...feed.messages import Page, View


class Cursor:
    """A place in a list of ids, or none: until a job is chosen the list is live."""

    def __init__(self) -> None:
        self.ids: array[int] = array("q")
        self.chosen: int | None = None
        """The id of the chosen job."""
        self.row = 0
        """Where it is, from 0; where it was, once it has left the list."""
        self.gone = False
        """Whether the chosen job has left the list."""
        self.arrived = 0
        """How many jobs came since one was chosen."""
        self._view = View()
        self._newest_seen = 0
        self._expected: int | None = None

    @property
    def live(self) -> bool:
        """Whether no job is chosen."""
        return self.chosen is None

    def take(self, page: Page, *, same_list: bool) -> int:
        """Take in a new list, of the same jobs in the same order or another; returns how far the chosen job has moved."""
        before, ids = self.row, page.ids
        self.ids, self._view = ids, page.view
        newest = max(ids[0], ids[-1]) if ids else 0
        if not same_list:
            self._begin()
        elif self.chosen is not None:
            self._follow()
            self.arrived += self._newer()
        self._newest_seen = max(newest, self._newest_seen)
        if self._expected is not None and self.find(self._expected) is not None:
            self.chosen, self._expected = self._expected, None
            self._follow()
        if self.live:
            self.arrived = 0
        return self.row - before

    def expect(self, job_id: int) -> None:
        """Choose a job that was just made, as soon as it is in the list; a chosen job stays chosen."""
        if self.live:
            self._expected = job_id

    def go(self, row: int) -> None:
        """Choose the job in a row, or in the nearest there is."""
        self.row = max(0, min(len(self.ids) - 1, row))
        self.chosen, self.gone = self.ids[self.row], False
        if self.row == 0:
            self.arrived = 0

    def release(self) -> None:
        """Choose none."""
        self.chosen, self.gone = None, False
        self.row = self.arrived = 0

    def find(self, job_id: int | None) -> int | None:
        """The row of a job; `None` where it is not in the list."""
        if job_id is None:
            return None
        if self._view.sort == "id":
            sign = -1 if self._view.descending else 1
            row = bisect_left(self.ids, sign * job_id, key=lambda each: sign * each)
            return row if row < len(self.ids) and self.ids[row] == job_id else None
        near = max(0, self.row - 500)  # mostly it has not moved far
        for low, high in ((near, len(self.ids)), (0, near + 1)):
            try:
                return self.ids.index(job_id, low, high)
            except ValueError:
                continue
        return None

    def _begin(self) -> None:
        """Another list: the chosen job stays chosen if it is in it."""
        self.arrived = self._newest_seen = 0
        self.gone = False
        row = self.find(self.chosen)
        if row is None:
            self.chosen = None
        self.row = row or 0

    def _follow(self) -> None:
        """The list has changed under the cursor: find its job again."""
        row = self.find(self.chosen)
        self.gone = row is None
        # Where it left the list (done, deleted) it stays chosen until the person moves: a key that was meant for it must
        # not hit the job that took its place.
        self.row = max(0, min(self.row, len(self.ids) - 1)) if row is None else row

    def _newer(self) -> int:
        """How many jobs at the new end of the list have not been seen; 0 where it is not sorted by id."""
        if self._view.sort != "id":
            return 0
        newest_first = iter(self.ids) if self._view.descending else reversed(self.ids)
        return sum(1 for _ in takewhile(lambda job_id: job_id > self._newest_seen, newest_first))
