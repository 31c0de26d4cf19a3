"""A board that is played from a screen: commands run on a thread, and each is answered by a picture of the board."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

from jobdeck import record

from ...scratch_folder import scratch_folder
from ..inside import Section
from .board import Board, Move, Schedule
from .interleavings import Enumeration, enumerate_interleavings
from .programs import NAIVE, LaneStep, Program, programs_for
from .tables import TableRow

_CLOSING = 3.0
"""Seconds that closing waits for the thread."""
FEWEST, MOST = 2, 3
"""The numbers of workers."""


@record
class BoardPicture:
    """The board at one moment."""

    program: Program
    next_steps: tuple[LaneStep | None, ...]
    """The next step of each worker; `None` if it is done."""
    taken: tuple[int | None, ...]
    """The job that each worker has taken."""
    moves: tuple[Move, ...]
    last: Move | None
    """The last step, or the last that was tried in vain."""
    rows: Sequence[TableRow]
    """The committed rows."""
    runs: tuple[tuple[int, int], ...]
    """The worker and the job of each run."""
    double_runs: int
    enumeration: Enumeration | None
    """The result of trying every order, if it was asked for."""
    script: Schedule
    """The counterexample that is being replayed; empty if there is none."""
    inside: tuple[Section, ...] | None = None
    """The look inside the lane, if it was asked for."""
    problem: str = ""
    """The reason why the lab cannot go on."""

    @property
    def workers(self) -> int:
        """Return the number of workers."""
        return len(self.next_steps)

    @property
    def is_scripted(self) -> bool:
        """Return whether the counterexample has a next step here."""
        done = tuple(move.worker for move in self.moves)
        return len(done) < len(self.script) and self.script[: len(done)] == done


class SchedulerSession:
    """Plays boards in a scratch folder. Every method returns at once; the picture that follows is passed to `show`."""

    def __init__(self, show: Callable[[BoardPicture], None], *, server: str | None = None) -> None:
        """Start the thread.

        Args:
            server: the address of a PostgreSQL database, for lanes of it.
            show: called on the session's thread with the board after each command.
        """
        self._show = show
        self._server = server
        self.lanes = programs_for(server)
        """The lanes that can be played."""
        self._commands: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._program, self._workers = NAIVE, FEWEST
        self._board: Board | None = None
        self._last: Move | None = None
        self._enumeration: Enumeration | None = None
        self._script: Schedule = ()
        self._is_inside = False
        self._inside: dict[str, tuple[Section, ...]] = {}
        """Lane → the look inside it."""
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="jobdeck-lab", daemon=True)
        self._thread.start()

    def step(self, worker: int) -> None:
        """Let a worker, counted from 0, take its next step; one that does not exist takes none."""
        self._commands.put(lambda: self._step(worker))

    def follow(self) -> None:
        """Take the next step of the counterexample."""
        self._commands.put(self._follow)

    def back(self) -> None:
        """Take the last step back."""
        self._commands.put(self._back)

    def reset(self) -> None:
        """Put every worker back to its first step."""
        self._commands.put(self._reset)

    def enumerate(self) -> None:
        """Try every order of the steps; then the counterexample, if there is one, is the script."""
        self._commands.put(self._enumerate)

    def next_lane(self, by: int = 1) -> None:
        """Go to the next lane, or by −1 to the one before."""
        self._commands.put(lambda: self._go(by))

    def more_workers(self) -> None:
        """Play with three workers, or with two again."""
        self._commands.put(self._change_workers)

    def look_inside(self, shown: bool) -> None:
        """Look inside each lane that is played from now on, or no longer."""
        self._commands.put(lambda: self._set_inside(shown))

    def close(self) -> None:
        """End the thread, and remove everything."""
        self._closed = True
        self._commands.put(None)
        self._thread.join(_CLOSING)

    # -- on the thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            with scratch_folder("jobdeck-lab-", "The lab") as folder:
                self._folder = folder
                try:
                    self._open()
                    self._answer()
                    while (command := self._commands.get()) is not None:
                        command()
                        if not self._closed:
                            self._answer()
                        if self._is_inside and self._program.name not in self._inside and not self._closed:
                            self._inside[self._program.name] = self._own.look_inside(folder)
                            self._answer()
                finally:
                    if self._board is not None:
                        self._board.close()
        except Exception as error:  # shown on the screen: a thread that dies silently looks like a lab that hangs
            if not self._closed:
                self._show(
                    BoardPicture(
                        self._program, (), (), (), None, (), (), 0, None, (), problem=f"{type(error).__name__}: {error}"
                    )
                )

    def _open(self) -> None:
        if self._board is not None:
            self._board.close()
        self._board = Board(self._program, self._folder, workers=self._workers, server=self._server)
        self._last = self._enumeration = None
        self._script = ()

    @property
    def _own(self) -> Board:
        assert self._board is not None
        return self._board

    def _answer(self) -> None:
        board = self._own
        workers = range(board.workers)
        picture = BoardPicture(
            self._program,
            tuple(board.next_step(worker) for worker in workers),
            tuple(board.taken(worker) for worker in workers),
            tuple(board.moves),
            self._last,
            board.rows(),
            tuple(board.runs),
            board.double_runs,
            self._enumeration,
            self._script,
            self._inside.get(self._program.name) if self._is_inside else None,
        )
        self._show(picture)

    def _set_inside(self, shown: bool) -> None:
        self._is_inside = shown

    def _step(self, worker: int) -> None:
        if worker < self._own.workers:
            self._last = self._own.step(worker) or self._last

    def _follow(self) -> None:
        done = self._own.schedule
        if len(done) < len(self._script) and self._script[: len(done)] == done:
            self._step(self._script[len(done)])

    def _back(self) -> None:
        self._own.back()
        self._last = self._own.moves[-1] if self._own.moves else None

    def _reset(self) -> None:
        self._own.reset()
        self._last = None

    def _enumerate(self) -> None:
        self._own.close()
        self._board = None
        found = enumerate_interleavings(
            self._program, self._folder, workers=self._workers, server=self._server, is_stopped=lambda: self._closed
        )
        self._open()
        self._enumeration, self._script = found, found.counterexample or ()

    def _go(self, by: int) -> None:
        names = [*self.lanes]
        self._program = self.lanes[names[(names.index(self._program.name) + by) % len(names)]]
        self._open()

    def _change_workers(self) -> None:
        self._workers = FEWEST + MOST - self._workers
        self._open()
