"""The board: workers of one lane, advanced step by step, and taken back by replaying from the start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from jobdeck import record

from ..inside import Section
from ..ledger import LedgerReader, append
from .inside import look_inside
from .programs import LaneStep, Program, StepKind
from .tables import TableRow, open_table

Schedule = tuple[int, ...]
"""Which worker, from 0, takes the next step."""


@record
class Move:
    """One step that a worker has taken, or has tried in vain."""

    worker: int
    step: LaneStep
    statements: tuple[str, ...]
    note: str
    blocked: bool
    before: Sequence[TableRow]
    after: Sequence[TableRow]
    """The committed rows before and after."""
    run_again: bool = False
    """`True` if the job had been run before."""


class Board:
    """The workers of one lane on their database. Use it from one thread."""

    def __init__(self, program: Program, folder: Path, *, workers: int = 2, jobs: int = 1, server: str | None = None) -> None:
        """Create the lane's database, and reset it.

        Args:
            program: what each worker does.
            folder: where the database and the ledger are put.
            workers: the number of workers.
            jobs: the number of pending jobs.
            server: the address of a PostgreSQL database, for a lane of it.

        Raises:
            OSError: the server cannot be used.
        """
        self.program = program
        self.workers = workers
        self._ledger = folder / f"{program.name}-{workers}-{jobs}.ledger"
        self._reader = LedgerReader(self._ledger)
        self._table = open_table(program, folder, workers, jobs, server)
        self.reset()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._table.close()

    def reset(self) -> None:
        """Put every worker back to its first step."""
        self._table.reset()
        self._reader.read()  # the ledger is never emptied: what follows belongs to this replay
        self._taken: list[int | None] = [None] * self.workers
        self._next = [0] * self.workers
        self._runs: list[tuple[int, int]] = []
        self.moves: list[Move] = []
        """The steps that were taken."""

    @property
    def schedule(self) -> Schedule:
        """Return who has taken each step so far."""
        return tuple(move.worker for move in self.moves)

    @property
    def runs(self) -> Sequence[tuple[int, int]]:
        """Return the worker and the job of each run so far, from the ledger."""
        for line in self._reader.read():
            assert line.job is not None
            self._runs.append((line.more["worker"], line.job))
        return self._runs

    @property
    def double_runs(self) -> int:
        """Return the number of runs of jobs that had run before, from the ledger."""
        return sum(n - 1 for n in Counter(job for _, job in self.runs).values())

    def rows(self) -> Sequence[TableRow]:
        """Return the committed rows."""
        return self._table.rows()

    def look_inside(self, folder: Path) -> tuple[Section, ...]:
        """Return the statements of the lane with their plans, and what jobdeck does instead. Takes some tenths of a second.

        Args:
            folder: a scratch folder, for a queue of jobdeck.
        """
        return look_inside(self.program, self._table, folder)

    def next_step(self, worker: int) -> LaneStep | None:
        """Return the step that the worker takes next; `None` if it is done."""
        at = self._next[worker]
        return self.program.steps[at] if at < len(self.program.steps) else None

    def taken(self, worker: int) -> int | None:
        """Return the job that the worker has taken."""
        return self._taken[worker]

    @property
    def is_done(self) -> bool:
        """Return whether every worker has taken all its steps."""
        return all(self.next_step(worker) is None for worker in range(self.workers))

    def step(self, worker: int, *, with_rows: bool = True) -> Move | None:
        """Let a worker take its next step.

        Args:
            worker: its number, from 0.
            with_rows: whether to read the rows before and after.

        Returns:
            What it did; `None` if it is done. A step that was blocked is not taken.
        """
        step = self.next_step(worker)
        if step is None:
            return None
        before = self.rows() if with_rows else ()
        taken = self._taken[worker]
        if step.kind is StepKind.RUN:
            again = any(job == taken for _, job in self.runs)
            if taken is not None:
                append(self._ledger, "start", taken, worker=worker)
            note = "nothing to run" if taken is None else f"job {taken}"
            move = Move(worker, step, (), note, False, before, before, again and taken is not None)
        else:
            done = self._table.perform(worker, step, taken)
            self._taken[worker] = done.job
            move = Move(worker, step, done.statements, done.note, done.blocked, before, self.rows() if with_rows else ())
        if not move.blocked:
            self._next[worker] += 1
            self.moves.append(move)
        return move

    def back(self) -> None:
        """Take the last step back: reset, and replay all the others."""
        self.replay(self.schedule[:-1])

    def replay(self, schedule: Schedule, *, with_rows: bool = True) -> None:
        """Reset, and let the workers take their steps in this order.

        Raises:
            ValueError: a step is blocked, or its worker is done.
        """
        self.reset()
        for worker in schedule:
            move = self.step(worker, with_rows=with_rows)
            if move is None or move.blocked:
                raise ValueError(f"worker {worker + 1} cannot take a step after {self.schedule}")
