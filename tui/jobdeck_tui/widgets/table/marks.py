"""Which jobs are marked: some by their ids, or everything that matches but some. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ...feed.job_actions import Selection


class Marks:
    """The marks of the job table. Everything that matches is marked without a list of it, however much it is."""

    def __init__(self) -> None:
        self.everything = False
        """Whether everything that matches is marked, but `ids`."""
        self.ids: set[int] = set()

    def __bool__(self) -> bool:
        return self.everything or bool(self.ids)

    def __contains__(self, job_id: object) -> bool:
        return (job_id in self.ids) != self.everything

    def count(self, total: int) -> int:
        """How many jobs are marked, of so many that match."""
        return max(0, total - len(self.ids)) if self.everything else len(self.ids)

    def toggle(self, job_id: int) -> None:
        """Mark a job, or unmark it."""
        self.ids ^= {job_id}

    def add(self, ids: Iterable[int]) -> None:
        """Mark these jobs."""
        if self.everything:
            self.ids.difference_update(ids)
        else:
            self.ids.update(ids)

    def add_all(self) -> None:
        """Mark everything that matches."""
        self.everything, self.ids = True, set()

    def clear(self) -> None:
        """Unmark everything."""
        self.everything, self.ids = False, set()

    def keep(self, there: Collection[int]) -> None:
        """Forget the marks of jobs that are gone."""
        self.ids.intersection_update(there)

    def selection(self, filter: str, tab: str) -> Selection:
        """What is marked, of what matches a filter and a tab."""
        if self.everything:
            return Selection(everything=True, filter=filter, tab=tab, without=frozenset(self.ids))
        return Selection(ids=tuple(sorted(self.ids)))
