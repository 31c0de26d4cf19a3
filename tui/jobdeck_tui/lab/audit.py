"""The verdicts of an experiment, each the result of one query over the ledger and the committed rows.

The audit reads what the processes left behind: the lines that handlers appended, and the rows that other connections see. It
asks neither the engine nor the experiment.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Self

import apsw

from jobdeck import record

from .ledger import LedgerReader

DOUBLE_RUNS = "SELECT count(*) FROM (SELECT job FROM ledger WHERE event = 'start' GROUP BY job HAVING count(*) > 1)"
LOST_JOBS = "SELECT count(*) FROM jobs WHERE state <> 'completed' OR id NOT IN (SELECT job FROM ledger WHERE event = 'end')"
LEFT_RUNNING = "SELECT count(*) FROM jobs WHERE state = 'running'"
OVERLAPPING_RUNS = """
SELECT count(*) FROM ledger AS first JOIN ledger AS second ON second.job = first.job AND second.pid <> first.pid
 WHERE first.event = 'start' AND second.event = 'start' AND first.at < second.at
   AND NOT EXISTS (SELECT * FROM ledger AS over WHERE over.pid = first.pid AND over.at BETWEEN first.at AND second.at
                   AND (over.event = 'kill' OR (over.event = 'end' AND over.job = first.job)))"""

_TABLES = {
    True: "SELECT id, state, attempt, max_attempts, worker, result FROM lane.jobdeck_jobs",
    False: "SELECT id, state, attempt, NULL AS max_attempts, worker, result FROM lane.jobs",
}


@record
class Verdict:
    """One number that was counted, and whether it is as it must be."""

    lane: str
    claim: str
    """The words for what was counted: `jobs that ran twice`."""
    value: float
    limit: str
    """The number that it must be: `0`, `≤ 3`."""
    holds: bool
    is_own: bool
    """`True` if it is an invariant of jobdeck's own lane."""
    query: str
    """The query that counted it."""
    at_end: bool = False
    """`True` if it holds at the end only: jobs that have not run yet are not lost."""

    @property
    def is_broken(self) -> bool:
        """Return whether jobdeck has broken a promise."""
        return self.is_own and not self.holds

    @property
    def text(self) -> str:
        """Return the verdict in words: `naive: 37 jobs that ran twice (must be 0)`."""
        return f"{self.lane}: {self.value:g} {self.claim} (must be {self.limit})"


class Audit:
    """Counts over one lane, in SQL. Tables: `ledger`, `jobs`, and jobdeck's own under the name `lane`."""

    def __init__(self, lane: str, ledger: Path, database: Path | None, *, is_jobdeck: bool) -> None:
        """Load the ledger, and attach the database for reading.

        Args:
            lane: the lane's name, in its verdicts.
            ledger: its ledger.
            database: its database; `None` if only the ledger counts.
            is_jobdeck: whether the database is a queue of jobdeck.
        """
        self.lane, self.is_jobdeck = lane, is_jobdeck
        self.ledger = ledger
        self._reader = LedgerReader(ledger)
        self._attached = set[str]()
        self._connection = apsw.Connection(":memory:", flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI)
        self._connection.set_busy_timeout(2000)
        self._connection.execute(
            "CREATE TABLE ledger (at REAL, event TEXT, job INTEGER, attempt INTEGER, pid INTEGER, more TEXT)"
        )
        self._connection.execute("CREATE INDEX by_job ON ledger (job, event); CREATE INDEX by_pid ON ledger (pid, at)")
        self.refresh()
        if database is not None:
            self._connection.execute("ATTACH ? AS lane", (f"{database.absolute().as_uri()}?mode=ro",))
            self._connection.execute(f"CREATE TEMP VIEW jobs AS {_TABLES[is_jobdeck]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def refresh(self) -> None:
        """Load what was appended to the ledger meanwhile."""
        self._connection.executemany(
            "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?)",
            [(each.at, each.event, each.job, each.attempt, each.pid, json.dumps(each.more)) for each in self._reader.read()],
        )

    def attach(self, database: Path, name: str) -> None:
        """Attach another database for reading, under a name, unless it is attached already."""
        if name not in self._attached:
            self._connection.execute(f"ATTACH ? AS {name}", (f"{database.absolute().as_uri()}?mode=ro",))
            self._attached.add(name)

    def count(self, query: str) -> float:
        """Return the number that the query counts."""
        return float(self._connection.execute(query).get or 0)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Return the rows of a query, for the notes beside the verdicts."""
        return [tuple(row) for row in self._connection.execute(query)]

    def judge(
        self,
        claim: str,
        query: str,
        *,
        at_most: float = 0,
        at_least: float | None = None,
        is_own: bool | None = None,
        at_end: bool = False,
    ) -> Verdict:
        """Count, and compare.

        Args:
            claim: what is counted.
            query: the query that counts it.
            at_most: the greatest number that is right.
            at_least: if given, the least one instead.
            is_own: whether it is an invariant of jobdeck; by default, in jobdeck's lane it is.
            at_end: whether it is decided at the end only.
        """
        value = self.count(query)
        holds = value <= at_most if at_least is None else value >= at_least
        limit = f"≥ {at_least:g}" if at_least is not None else f"≤ {at_most:g}" if at_most else "0"
        own = self.is_jobdeck if is_own is None else is_own
        return Verdict(self.lane, claim, value, limit, holds, own, " ".join(query.split()), at_end)
