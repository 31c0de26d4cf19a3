"""In what the databases differ when they are asked what people want to know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from ...model.filter import Value
from ..backend import SqlConnection
from ..records import Row

Bound = dict[str, Any]
"""The values that a statement names."""


def bind(bound: Bound, value: Any) -> str:
    """How the statement names a value; no text of a person is ever part of the SQL."""
    name = f"v{len(bound)}"
    bound[name] = value
    return f":{name}"


class Dialect(ABC):
    """One database's way to say it. What is asked for by name below is an expression of SQL."""

    sorted_tags: str
    """Tags as lists are sorted by them; NULL where there are none, or they cannot be read."""
    scheduled: str
    """Whether a schedule enqueued the job."""
    of_schedule: str
    """The end of the stored tags that names the schedule. As the index `jobdeck_by_schedule` has it."""

    @abstractmethod
    def one_of(self, column: str, values: Sequence[Value], bound: Bound) -> str:
        """The column has one of the values, all of them texts or all of them numbers."""

    @abstractmethod
    def compared(self, column: str, op: str, value: float, bound: Bound, *, whole: bool) -> str:
        """The number compares so with the value; `whole` says that the column holds whole numbers."""

    @abstractmethod
    def like(self, column: str, pattern: str, bound: Bound) -> str:
        """The text matches, by case; `*` and `?` are wildcards."""

    @abstractmethod
    def part(self, columns: Sequence[str], pattern: str, bound: Bound) -> str:
        """One of the columns has the pattern somewhere in it, in any case. It is LIKE's (see `wildcards`)."""

    @abstractmethod
    def tagged(self, tags: Sequence[str], bound: Bound) -> str:
        """The job has one of the tags. Unreadable ones are none."""

    @abstractmethod
    def tagged_like(self, pattern: str, bound: Bound) -> str:
        """The job has a tag that matches as `like` says."""

    @abstractmethod
    def argument_is(self, path: Sequence[str], values: Sequence[str], bound: Bound) -> str:
        """The argument is one of the texts: a text as it is, everything else as written in JSON (`42`, `true`, `null`).

        Digits count into a list, other steps are names. NULL where the arguments are unreadable, or have none there.
        """

    @abstractmethod
    def argument_like(self, path: Sequence[str], pattern: str, bound: Bound) -> str:
        """The argument matches as `like` says; see `argument_is`."""

    @abstractmethod
    def aged(self, priority: str, due: str) -> str:
        """The priority of a job that has been due since then, at `:now`, one step higher for each `:ageing` seconds."""

    @abstractmethod
    def by(self, index: str) -> str:
        """What stands after a table's name in order that it is read along this index; `""` stands for none, by its ids."""

    @abstractmethod
    def walks(self, index: str, ways: Sequence[Sequence[tuple[str, str]]], clause: str, direction: str, limit: str) -> str:
        """The ids of the jobs that meet the clause, in this direction, from several walks along an index.

        Args:
            index: it ends in the id.
            ways: for each walk the columns that stand before the id, and what each of them equals.
            clause: what the jobs have to meet beside.
            direction: `ASC` or `DESC`.
            limit: `LIMIT …`, or nothing.
        """

    @abstractmethod
    def schedule_history(self, columns: str) -> str:
        """Return a query for the columns of a schedule's jobs, newest first, given the end of their tags and a limit."""

    @abstractmethod
    def rows(self, connection: SqlConnection, columns: Sequence[str], source: str, bound: Any = None) -> Sequence[Row]:
        """All rows of `SELECT columns source`, fetched in one step. Booleans may come as 0 and 1."""

    @abstractmethod
    def for_each(self, outer: str, query: str) -> str:
        """What stands after FROM for `outer`, a table, beside the ids that a query gives for each of its rows: `entry.id`."""
