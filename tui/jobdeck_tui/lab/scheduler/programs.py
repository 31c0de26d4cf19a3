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
    on_postgres: bool = False
    """`True` if it runs on a PostgreSQL server, if one is configured."""
    is_jobdeck: bool = False
    """`True` if the claim is the one of jobdeck's engine, on a real queue."""


NAIVE = Program(
    "naive",
    "SELECT, then UPDATE",
    "Between the SELECT and the UPDATE another worker may select the same job.",
    (LaneStep("SELECT", _FIRST), LaneStep("UPDATE", _TAKE + ":job"), RUN),
)
ATOMIC = Program(
    "atomic",
    "one UPDATE … RETURNING",
    "One statement finds the job and takes it; nothing can come between.",
    (LaneStep("UPDATE", f"{_TAKE}({_FIRST}) RETURNING id"), RUN),
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
)
JOBDECK = Program(
    "jobdeck",
    "jobdeck's own claim",
    "The engine's real claim: one UPDATE inside BEGIN IMMEDIATE, with a lease.",
    (LaneStep("claim", kind=StepKind.CLAIM), RUN, LaneStep("complete", kind=StepKind.COMPLETE)),
    is_jobdeck=True,
)


def _in_transaction(name: str, title: str, claim: str, select: str) -> Program:
    steps = (
        LaneStep("SELECT", f"BEGIN; {select}"),
        LaneStep("UPDATE", _TAKE + ":job"),
        LaneStep("COMMIT", "COMMIT"),
        RUN,
    )
    return Program(name, title, claim, steps, on_postgres=True)


READ_COMMITTED = _in_transaction(
    "pg-plain",
    "PostgreSQL, READ COMMITTED",
    "Both read the row as pending; the second UPDATE waits, and then takes it, too.",
    _FIRST,
)
FOR_UPDATE = _in_transaction(
    "pg-lock",
    "PostgreSQL, SELECT … FOR UPDATE",
    "The SELECT locks the row: the other one waits, and then finds no pending job.",
    f"{_FIRST} FOR UPDATE",
)
SKIP_LOCKED = _in_transaction(
    "pg-skip",
    "PostgreSQL, FOR UPDATE SKIP LOCKED",
    "The SELECT locks the row, and others skip it: no wait, and no double run.",
    f"{_FIRST} FOR UPDATE SKIP LOCKED",
)
POSTGRES_PROGRAMS = {program.name: program for program in (READ_COMMITTED, FOR_UPDATE, SKIP_LOCKED)}
"""The lanes of a PostgreSQL server."""
PROGRAMS = {program.name: program for program in (NAIVE, ATOMIC, IMMEDIATE, JOBDECK)}
"""The lanes that need no server."""


def programs_for(server: str | None) -> dict[str, Program]:
    """Return the lanes: those of PostgreSQL come last, if a server is configured and its driver is installed."""
    if server is None or find_spec("psycopg") is None:
        return PROGRAMS
    return PROGRAMS | POSTGRES_PROGRAMS


def server_of(database: str) -> str | None:
    """Return the address of the PostgreSQL server of a database's address; `None` if it is another kind of database."""
    return database if database.startswith(("postgresql://", "postgres://")) else None
