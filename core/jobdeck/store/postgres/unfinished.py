"""TEMPORARY: what the PostgreSQL store cannot do yet. This module is empty, and gone, when the store is whole.

See NOTES-postgres.md for who writes what.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from ...jobs import Job, NewJob
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

    # (C) the rest
    def enqueue_through(self, connection: object, jobs: Sequence[NewJob]) -> list[Job]:
        raise NotImplementedError("enqueue_through")
