"""The cursor of the job table: follows a job by its id, never a row. Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import takewhile

from ...feed.messages import JobsPage, View


class Cursor:
    """A position in a list of ids, or none: the list is live until a job is selected."""

    def __init__(self) -> None:
        self.ids: array[int] = array("q")
        self.chosen: int | None = None
        """The id of the selected job."""
        self.row = 0
        """The row of the selected job, from 0; its last row once it has left the list."""
        self.gone = False
        """Whether the selected job has left the list."""
        self.arrived = 0
        """The number of jobs that arrived since one was selected."""
        self._view = View()
        self._newest_seen = 0
        self._expected: int | None = None

    @property
    def live(self) -> bool:
        """Whether no job is selected."""
        return self.chosen is None

    def apply_page(self, page: JobsPage, *, same_list: bool) -> int:
        """Apply a new page; return by how many rows the selected job has moved.

        Args:
            page: the page.
            same_list: whether it lists the same jobs in the same order as before.
        """
        before, ids = self.row, page.ids
        self.ids, self._view = ids, page.view
        newest = max(ids[0], ids[-1]) if ids else 0
        if not same_list:
            self._start_list()
        elif self.chosen is not None:
            self._follow()
            self.arrived += self._count_newer()
        self._newest_seen = max(newest, self._newest_seen)
        if self._expected is not None and self.find(self._expected) is not None:
            self.chosen, self._expected = self._expected, None
            self._follow()
        if self.live:
            self.arrived = 0
        return self.row - before

    def expect(self, job_id: int) -> None:
        """Select a new job as soon as it appears in the list, unless another is selected."""
        if self.live:
            self._expected = job_id

    def go(self, row: int) -> None:
        """Select the job in a row, or in the nearest existing row."""
        self.row = max(0, min(len(self.ids) - 1, row))
        self.chosen, self.gone = self.ids[self.row], False
        if self.row == 0:
            self.arrived = 0

    def release(self) -> None:
        """Select no job."""
        self.chosen, self.gone = None, False
        self.row = self.arrived = 0

    def find(self, job_id: int | None) -> int | None:
        """Return the row of a job; `None` if it is not in the list."""
        if job_id is None:
            return None
        if self._view.sort == "id":
            sign = -1 if self._view.descending else 1
            row = bisect_left(self.ids, sign * job_id, key=lambda each: sign * each)
            return row if row < len(self.ids) and self.ids[row] == job_id else None
        near = max(0, self.row - 500)  # usually it has not moved far
        for low, high in ((near, len(self.ids)), (0, near + 1)):
            try:
                return self.ids.index(job_id, low, high)
            except ValueError:
                continue
        return None

    def _start_list(self) -> None:
        """Switch to a different list, keeping the selected job if the list contains it."""
        self.arrived = self._newest_seen = 0
        self.gone = False
        row = self.find(self.chosen)
        if row is None:
            self.chosen = None
        self.row = row or 0

    def _follow(self) -> None:
        """Find the row of the selected job after the list has changed."""
        row = self.find(self.chosen)
        self.gone = row is None
        # A job that has left the list (finished, deleted) stays selected until the user moves: a key meant for it must not
        # affect the job now in its row.
        self.row = max(0, min(self.row, len(self.ids) - 1)) if row is None else row

    def _count_newer(self) -> int:
        """Return the number of unseen jobs at the newest end of the list; 0 unless it is sorted by id."""
        if self._view.sort != "id":
            return 0
        newest_first = iter(self.ids) if self._view.descending else reversed(self.ids)
        return sum(1 for _ in takewhile(lambda job_id: job_id > self._newest_seen, newest_first))
