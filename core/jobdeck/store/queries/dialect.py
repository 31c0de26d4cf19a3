"""The SQL in which the databases differ, for filters and queries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...model.record_class import record
from ..backend import SqlConnection
from ..records import Row

if TYPE_CHECKING:
    from ...model.filter import Literal
    from ...model.filter_text import Pattern

Bound = dict[str, Any]
"""The named values of a statement."""


def bind(bound: Bound, value: Any) -> str:
    """Bind a value, and return its name in the statement: no user text is ever part of the SQL."""
    name = f"v{len(bound)}"
    bound[name] = value
    return f":{name}"


@record
class IndexScan:
    """A scan of the jobs: an index, and the value of each of its columns, for each of the merged scans."""

    index: str
    columns: tuple[str, ...]
    values: Sequence[Sequence[Any]]

    def bind(self, bound: Bound) -> list[list[tuple[str, str]]]:
        """Bind the values; return for each scan the columns, and the name of the value of each."""
        return [
            [(column, bind(bound, value)) for column, value in zip(self.columns, each, strict=True)] for each in self.values
        ]


class Dialect(ABC):
    """The SQL of one database. Attributes and results are SQL expressions, unless they say otherwise."""

    sorted_tags: str
    """The sort key of the tags; NULL if there are none, or they cannot be read."""
    scheduled: str
    """Whether a schedule enqueued the job."""
    of_schedule: str
    """The end of the stored tags that names the schedule, as in the index `jobdeck_by_schedule`."""

    lane: tuple[str, ...]
    """The columns of the index `jobdeck_by_lane` before the id."""
    most_lanes = 1000
    """The number of scans of that index for one page at most."""

    searched_args: str
    """The arguments that free text is searched in; of a command that carries an environment, the command and its folder."""
    failure_place: str
    """The place of a failed attempt named `attempt`: see `model.metrics.failure_place`."""

    @abstractmethod
    def one_of(self, column: str, values: Sequence[Literal], bound: Bound) -> str:
        """Test whether the column has one of the values, all of them texts or all of them numbers."""

    @abstractmethod
    def compared(self, column: str, op: str, value: float, bound: Bound, *, whole: bool) -> str:
        """Compare the number with the value; `whole` says that the column holds whole numbers."""

    @abstractmethod
    def like(self, column: str, pattern: Pattern, bound: Bound) -> str:
        """Match the text, case-sensitively."""

    @abstractmethod
    def part(self, column: str, value: str | Pattern, bound: Bound) -> str:
        """Test whether the text contains the value, in any case as `model/case_folding.py` defines it.

        Folding costs much more than reading: it is left to texts that are not ASCII, if it can make a difference.
        """

    @abstractmethod
    def tagged(self, tags: Sequence[str], bound: Bound) -> str:
        """Test whether the job has one of the tags. Unreadable tags match none."""

    @abstractmethod
    def tagged_like(self, pattern: Pattern, bound: Bound) -> str:
        """Test whether the job has a tag that matches as `like` does."""

    @abstractmethod
    def tagged_part(self, value: str | Pattern, bound: Bound) -> str:
        """Test whether one of the job's tags that are stored with escapes contains the value, as `part` does."""

    @abstractmethod
    def argument_is(self, path: Sequence[str], values: Sequence[str], bound: Bound) -> str:
        """Test whether the argument is one of the texts: a string as it is, other values as JSON (`42`, `true`, `null`).

        Digits are indexes of a list, other steps are names. NULL if the arguments are unreadable, or the path does not exist.
        """

    @abstractmethod
    def argument_like(self, path: Sequence[str], pattern: Pattern, bound: Bound) -> str:
        """Test whether the argument matches as `like` does; see `argument_is`."""

    @abstractmethod
    def aged(self, priority: str, due: str) -> str:
        """Return the effective priority at `:now` of a job due since `due`: one step more for each `:ageing` seconds."""

    @abstractmethod
    def by(self, index: str) -> str:
        """Return the clause after a table's name that makes the database use this index; with `""`, read by id."""

    @abstractmethod
    def lane_scans(self, connection: SqlConnection, lanes: Sequence[Sequence[str]]) -> Sequence[Sequence[Any]]:
        """Return the values of `lane` of each scan that the lanes take (each a state, a queue and a kind).

        If they are too many, at least one more than `most_lanes`.
        """

    @abstractmethod
    def walks(self, scan: IndexScan, clause: str, direction: str, limit: str, bound: Bound) -> str:
        """Return a query for the ids of the jobs that meet the clause, in this direction, from several scans of an index.

        Args:
            scan: the scans, at least one, of an index that ends in the id.
            clause: a further condition of the jobs.
            direction: `ASC` or `DESC`.
            limit: `LIMIT …`, or nothing.
            bound: the named values of the clause, to which those of the scans are added.
        """

    @abstractmethod
    def oldest_pending(self, columns: str, limit: int) -> str:
        """Return a query for the columns of the ready jobs with the lowest ids."""

    @abstractmethod
    def schedule_history(self, columns: str) -> str:
        """Return a query for the columns of a schedule's jobs, newest first, given the end of their tags and a limit."""

    @abstractmethod
    def rows(self, connection: SqlConnection, columns: Sequence[str], source: str, bound: Any = None) -> Sequence[Row]:
        """Return all rows of `SELECT columns source`, fetched in one step. Booleans may be 0 and 1."""

    @abstractmethod
    def for_each(self, outer: str, query: str) -> str:
        """Return the FROM clause that joins `outer`, a table, with the ids of a query for each of its rows: `entry.id`."""
