"""What a worker does in each lane, statement by statement."""

from __future__ import annotations

from enum import StrEnum
from importlib.util import find_spec

from jobdeck import record

_FIRST = "SELECT id FROM jobs WHERE state = 'pending' ORDER BY id LIMIT 1"
_TAKE = "UPDATE jobs SET state = 'running', worker = :worker WHERE id = "


class StepKind(StrEnum):
    """The effect of a step, in words."""

    SQL = "sql"
    """Executes its statement."""
    RUN = "run"
    """Runs the job that the worker has taken: its handler writes a line to the ledger."""
    CLAIM = "claim"
    """Claims a job with jobdeck's engine."""
    COMPLETE = "complete"
    """Records the result with jobdeck's engine."""


@record
class LaneStep:
    """One step of a worker: nothing of another worker happens inside it."""

    label: str
    """Its name in the ladder."""
    sql: str = ""
    """Its statement. The first value of the first row that it returns is the job that the worker takes."""
    kind: StepKind = StepKind.SQL


RUN = LaneStep("run", kind=StepKind.RUN)


@record
class Program:
    """The steps of a worker. All workers of a lane run the same program."""

    name: str
    title: str
    claim: str
    """The claim of the lane, in one sentence."""
    steps: tuple[LaneStep, ...]
    why: str = ""
    """The reason why the statements are atomic together, or are not."""
    in_jobdeck: tuple[str, ...] = ()
    """The operations of jobdeck that do the same: `claim`, …; none if the statements are not atomic."""
    on_postgres: bool = False
    """`True` if it runs on a PostgreSQL server, if one is configured."""
    is_jobdeck: bool = False
    """`True` if the claim is the one of jobdeck's engine, on a real queue."""

    @property
    def is_atomic(self) -> bool:
        """Return whether no other worker can come between the statements."""
        return bool(self.in_jobdeck)


NAIVE = Program(
    "naive",
    "SELECT, then UPDATE",
    "Between the SELECT and the UPDATE another worker may select the same job.",
    (LaneStep("SELECT", _FIRST), LaneStep("UPDATE", _TAKE + ":job"), RUN),
    "Each statement is atomic; the two together are not. The UPDATE finds the row by its id alone: it does not ask whether"
    " the job is still pending.",
)
ATOMIC = Program(
    "atomic",
    "one UPDATE … RETURNING",
    "One statement finds the job and takes it; nothing can come between.",
    (LaneStep("UPDATE", f"{_TAKE}({_FIRST}) RETURNING id"), RUN),
    "One statement is one transaction: it takes the write lock, finds the row and changes it. No other worker writes"
    " meanwhile.",
    ("claim",),
)
IMMEDIATE = Program(
    "immediate",
    "BEGIN IMMEDIATE around both",
    "BEGIN takes the write lock before the SELECT, so the other worker waits.",
    (
        LaneStep("BEGIN", "BEGIN IMMEDIATE"),
        LaneStep("SELECT", _FIRST),
        LaneStep("UPDATE", _TAKE + ":job"),
        LaneStep("COMMIT", "COMMIT"),
        RUN,
    ),
    "The write lock is taken before the SELECT and held until the COMMIT: the row is still pending when the UPDATE takes it. A"
    " plain BEGIN would take the lock after the SELECT.",
    ("claim",),
)
JOBDECK = Program(
    "jobdeck",
    "jobdeck's own claim",
    "The engine's real claim: one UPDATE inside BEGIN IMMEDIATE, with a lease.",
    (LaneStep("claim", kind=StepKind.CLAIM), RUN, LaneStep("complete", kind=StepKind.COMPLETE)),
    in_jobdeck=("claim", "complete"),
    is_jobdeck=True,
)


def _in_transaction(name: str, title: str, claim: str, select: str, why: str, in_jobdeck: tuple[str, ...] = ()) -> Program:
    steps = (
        LaneStep("SELECT", f"BEGIN; {select}"),
        LaneStep("UPDATE", _TAKE + ":job"),
        LaneStep("COMMIT", "COMMIT"),
        RUN,
    )
    return Program(name, title, claim, steps, why, in_jobdeck, on_postgres=True)


READ_COMMITTED = _in_transaction(
    "pg-plain",
    "PostgreSQL, READ COMMITTED",
    "Both read the row as pending; the second UPDATE waits, and then takes it, too.",
    _FIRST,
    "READ COMMITTED protects a statement, not the transaction: a plain SELECT locks nothing. The UPDATE that waited finds its"
    " row by the id alone, and takes it again.",
)
FOR_UPDATE = _in_transaction(
    "pg-lock",
    "PostgreSQL, SELECT … FOR UPDATE",
    "The SELECT locks the row: the other one waits, and then finds no pending job.",
    f"{_FIRST} FOR UPDATE",
    "FOR UPDATE locks the row until the COMMIT. The other SELECT waits, then reads the row again and finds it running.",
    ("claim",),
)
SKIP_LOCKED = _in_transaction(
    "pg-skip",
    "PostgreSQL, FOR UPDATE SKIP LOCKED",
    "The SELECT locks the row, and others skip it: no wait, and no double run.",
    f"{_FIRST} FOR UPDATE SKIP LOCKED",
    "FOR UPDATE locks the row until the COMMIT, and SKIP LOCKED lets the other SELECT go on to the next pending job at once.",
    ("claim",),
)
POSTGRES_PROGRAMS = {program.name: program for program in (READ_COMMITTED, FOR_UPDATE, SKIP_LOCKED)}
"""The lanes of a PostgreSQL server."""
PROGRAMS = {program.name: program for program in (NAIVE, ATOMIC, IMMEDIATE, JOBDECK)}
"""The lanes that need no server."""


def programs_for(server: str | None) -> dict[str, Program]:
    """Return the lanes: those of PostgreSQL come last, if there is a server for them (see `server_of`)."""
    return PROGRAMS if server is None else PROGRAMS | POSTGRES_PROGRAMS


def server_of(database: str) -> str | None:
    """Return the address of a database that lanes can be played on: on a PostgreSQL server, with its driver installed."""
    on_server = database.startswith(("postgresql://", "postgres://")) and find_spec("psycopg") is not None
    return database if on_server else None
