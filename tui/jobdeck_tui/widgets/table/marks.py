"""The marks of the job table: individual jobs, or all that match except some. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ...feed.job_actions import Selection


class Marks:
    """The marks of the job table. Marks all matching jobs without listing them, however many there are."""

    def __init__(self) -> None:
        self.everything = False
        """Whether all matching jobs are marked except `ids`."""
        self.ids: set[int] = set()

    def __bool__(self) -> bool:
        return self.everything or bool(self.ids)

    def __contains__(self, job_id: object) -> bool:
        return (job_id in self.ids) != self.everything

    def count(self, total: int) -> int:
        """Return the number of marked jobs, given the number of matching jobs."""
        return max(0, total - len(self.ids)) if self.everything else len(self.ids)

    def toggle(self, job_id: int) -> None:
        """Mark or unmark a job."""
        self.ids ^= {job_id}

    def add(self, ids: Iterable[int]) -> None:
        """Mark these jobs."""
        if self.everything:
            self.ids.difference_update(ids)
        else:
            self.ids.update(ids)

    def add_all(self) -> None:
        """Mark all matching jobs."""
        self.everything, self.ids = True, set()

    def clear(self) -> None:
        """Unmark everything."""
        self.everything, self.ids = False, set()

    def keep(self, existing: Collection[int]) -> None:
        """Drop the marks of jobs that no longer exist."""
        self.ids.intersection_update(existing)

    def selection(self, filter: str, tab: str) -> Selection:
        """Return the marked jobs among those that match a filter and a tab."""
        if self.everything:
            return Selection(everything=True, filter=filter, tab=tab, without=frozenset(self.ids))
        return Selection(ids=tuple(sorted(self.ids)))
