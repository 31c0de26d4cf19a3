"""TEMPORARY: what the PostgreSQL store cannot do yet. This module is empty, and gone, when the store is whole.

See NOTES-postgres.md for who writes what.
"""

from __future__ import annotations

from array import array
from typing import Any, NoReturn

from ...jobs import Family, Job
from ...query import Condition
from ...states import State
from ..base import Store


class Unfinished:
    """Stands for a part of the store that is not there yet."""

    def __init__(self, part: str) -> None:
        self._part = part

    def __getattr__(self, name: str) -> NoReturn:
        raise NotImplementedError(f"{self._part}.{name} of the PostgreSQL store")


def unfinished(part: str) -> Any:
    """A part that is not there yet."""
    return Unfinished(part)


class UnfinishedStore(Store):
    """The methods that are not there yet."""

    # (A) looking
    def list_jobs(self, condition: Condition, *, limit: int, sort: str = "id", descending: bool = True) -> list[Job]:
        raise NotImplementedError("list_jobs")

    def list_ids(
        self, condition: Condition, *, sort: str = "id", descending: bool = True, limit: int | None = None
    ) -> array[int]:
        raise NotImplementedError("list_ids")

    def count_states(self, condition: Condition) -> dict[State, int]:
        raise NotImplementedError("count_states")

    def count_jobs(self, condition: Condition) -> int:
        raise NotImplementedError("count_jobs")

    def get_family(self, job_id: int) -> Family:
        raise NotImplementedError("get_family")
