"""Child processes that run handlers for a worker. Spawned, never forked; the worker alone has the database open.

There are two sorts: the *pool* (see `pool.py`) and the processes of isolated jobs (see `isolation.py`). One thread
does everything with all of them and never waits for any. What other threads ask for reaches it as a call in a
queue.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from random import Random

from ..clock import Clock
from ..execution.context import Context
from ..execution.stack_trace import ENDED, NOT_BEGUN, packed
from ..kinds.registry import Registry
from ..model.attempt_result import Ending
from ..model.errors import ChildNotStarted
from ..model.jobs import Job
from .child_process import Charge, ChildProcess
from .isolation import Isolation
from .pool import Pool
from .protocol import Message
from .spawner import Nursery

START = 120.0
"""Seconds that the children get to import their apps."""
_LOOK = 0.5
"""Seconds between two looks whether children live, beside their own telling: a process that one has forked may hold
its line open."""
_SOON = 0.01
_FAREWELL = 3.0

logger = logging.getLogger("jobdeck.child")


class Children:
    """The child processes of a worker."""

    def __init__(
        self,
        registry: Registry,
        *,
        processes: int = 0,
        threads: int = 1,
        apps: Sequence[str] = (),
        clock: Clock,
        random: Random,
    ) -> None:
        """Prepare; `start` begins.

        Args:
            registry: the kinds of the worker; the children have to know the same.
            processes: how many the pool has. Isolated jobs have processes beside it, as they come.
            threads: how many jobs each process of the pool runs at once.
            apps: what the children import first, as `load_apps` takes it.
            clock: where the time of endings is read.
            random: where the jitter of retries comes from.
        """
        self.processes = processes
        self.settled: Callable[[], None] = lambda: None
        """Called on the children's thread when all that came at once has been handed in."""
        self._registry = registry
        self._selector = selectors.DefaultSelector()
        self._nursery = Nursery(
            registry, apps=apps, threads=max(1, threads), clock=clock, random=random, selector=self._selector
        )
        self._pool = Pool(self._nursery, processes)
        # Without a pool each isolated job has a thread that waits for it, and there are no more of those than may be.
        self._isolation = Isolation(self._nursery, processes * max(1, threads) or 1000)
        self._thread = threading.Thread(target=self._loop, name="jobdeck-children", daemon=True)
        self._starting = threading.Lock()
        self._calls: deque[Callable[[], None]] = deque()
        self._bell, self._ear = socket.socketpair()
        self._waiters: list[tuple[Callable[[], bool], threading.Event]] = []
        self._look_at = 0.0

    # -- for other threads ------------------------------------------------------------------------

    @property
    def threads(self) -> int:
        """How many jobs the pool runs at once; those whose code does not stop are not counted against it."""
        return self.processes * self._nursery.threads + self._pool.stuck

    @property
    def pids(self) -> list[int]:
        """The living children."""
        return [child.pid for child in self._nursery.all]

    def start(self) -> None:
        """Begin the pool, and wait until every process of it is ready. The others begin as they are needed.

        Raises:
            ChildNotStarted: one could not begin: most often an app that cannot be imported.
            KindNotInChild: they do not know a kind of the registry.
        """
        if not self.processes:
            return
        self._begin_thread()
        try:
            problem = self._pool.opened.get(timeout=START)
        except Empty:
            problem = ChildNotStarted(f"it was not ready after {START:g} s")
        if problem is not None:
            self.close()
            raise problem

    def takes(self, kind: str) -> bool:
        """Whether jobs of this kind run in children."""
        return self.processes > 0 or self._isolates(kind)

    def _isolates(self, kind: str) -> bool:
        return kind in self._registry and self._registry.get(kind).isolate

    def run(self, job: Job, context: Context) -> Ending:
        """Run a claimed job in a child, and wait for its end. Never raises for what its code does."""
        box: SimpleQueue[Ending] = SimpleQueue()
        self.begin([Charge(job, context, box.put)])
        return box.get()

    def begin(self, charges: Iterable[Charge]) -> None:
        """Run claimed jobs in children; each charge is told when it is done."""
        self._begin_thread()
        if self._nursery.closing:
            for charge in charges:
                self._nursery.release(charge)
        else:
            self._call(partial(self._begin, charges))

    def resize(self, threads: int, done: Callable[[], None]) -> None:
        """Let each process of the pool run up to `threads` jobs at once; `done` is called when that holds."""

        def resize() -> None:
            self._pool.resize(max(1, threads))
            done()

        if self.processes:
            self._call(resize)

    def replace_stuck(self, jobs: Collection[int], done: Callable[[], None]) -> None:
        """Let another thread of its child take the place of each job whose code does not stop; `done` is called then."""

        def replace() -> None:
            self._pool.replace_stuck(jobs)
            done()

        self._call(replace)

    def recall(self) -> None:
        """Have all come back that has not begun, now and from here on."""

        def recall() -> None:
            self._nursery.recalled = True
            self._pool.recall()
            self._isolation.recall()

        self._call(recall)

    def locate(self, job_id: int, reply: Callable[[str], None]) -> None:
        """Ask the child that runs the job where its code is, and pass the answer on. Returns at once."""

        def locate() -> None:
            held = (charge for child in self._nursery.all for charge in child.held.values() if charge.job.id == job_id)
            charge = next(held, None)
            if charge is None or charge.child is None:
                reply(packed({"told": NOT_BEGUN}))
            else:
                charge.askers += (reply,)
                charge.child.send(["where", charge.slot])

        if self._thread.is_alive():
            self._call(locate)
        else:
            reply(packed({"told": ENDED}))

    def kill(self, timeout: float) -> bool:
        """Kill every child that still runs a job; returns whether all of them were gone within `timeout` seconds."""
        if not self._thread.is_alive():
            return True

        def kill() -> None:
            for child in self._nursery.all:
                if self._isolation.is_busy(child):
                    child.retire(0)

        self.recall()
        self._call(kill)
        return self._wait(lambda: not any(map(self._isolation.is_busy, self._nursery.all)), timeout)

    def close(self) -> None:
        """End all children: those that run a job are killed."""
        with self._starting:
            self._nursery.closing = True
        if not self._thread.is_alive():
            return

        def end() -> None:
            for child in self._nursery.all:
                if self._isolation.is_busy(child):
                    child.retire(0)
                else:
                    child.dismiss()

        self.recall()
        self._call(end)
        self._thread.join(timeout=_FAREWELL)

    def _begin_thread(self) -> None:
        with self._starting:
            if self._nursery.closing or self._thread.is_alive():
                return
            self._bell.setblocking(False)
            self._ear.setblocking(False)
            self._selector.register(self._ear, selectors.EVENT_READ, None)
            self._thread.start()

    def _call(self, call: Callable[[], None]) -> None:
        self._calls.append(call)
        with suppress(OSError):  # it rings already, or nobody listens any more
            self._bell.send(b"!")

    def _wait(self, predicate: Callable[[], bool], timeout: float) -> bool:
        event = threading.Event()
        self._call(lambda: self._waiters.append((predicate, event)))
        return event.wait(timeout)

    # -- the thread -------------------------------------------------------------------------------

    def _loop(self) -> None:
        while not (self._nursery.closing and not self._nursery.all and not self._calls):
            try:
                self._turn()
            except Exception:  # a bug must not leave jobs without an end
                logger.exception("A bug in jobdeck's care of child processes")
                time.sleep(0.1)
        self._selector.close()
        self._bell.close()
        self._ear.close()

    def _turn(self) -> None:
        for key, mask in self._selector.select(self._patience()):
            if key.data is None:
                with suppress(BlockingIOError):
                    self._ear.recv(4096)
                continue
            if mask & selectors.EVENT_WRITE:
                key.data.flush()
            if mask & selectors.EVENT_READ:
                self._hear(key.data, key.fd)
        while self._calls:
            self._calls.popleft()()
        now = time.monotonic()
        look = now >= self._look_at
        if look:
            self._look_at = now + _LOOK
        for child in list(self._nursery.all):
            if look or child.is_ending:
                self._look_after(child, now)
        self._isolation.tend(now)
        self._pool.tend(now)
        self._pool.give_out()
        self._isolation.give_out()
        self.settled()
        if self._waiters:
            self._waiters = [each for each in self._waiters if not self._has_come(*each)]

    def _has_come(self, predicate: Callable[[], bool], event: threading.Event) -> bool:
        if predicate():
            event.set()
        return event.is_set()

    def _patience(self) -> float | None:
        """Seconds until there is something to do that nobody tells of."""
        if self._calls:
            return 0.0
        now = time.monotonic()
        due = [at for at in (self._pool.due(), self._isolation.due()) if at is not None]
        for child in self._nursery.all:
            if child.is_silent:
                due.append(now + _SOON)  # until nothing of its group is left
            elif child.held or child.is_ending:
                due.append(self._look_at)
            due += [at for at in (child.term_at, child.kill_at) if at is not None]
        return max(0.0, min(due) - now) if due else None

    def _begin(self, charges: Iterable[Charge]) -> None:
        for charge in charges:
            if self._nursery.accept(charge):
                charge.context.on_stop(partial(self._ask, charge))
                self._sort_of(charge.job).begin(charge)

    def _ask(self, charge: Charge) -> None:
        """Called on any thread."""
        self._call(partial(self._sort_of(charge.job).ask, charge))

    def _sort_of(self, job: Job) -> Pool | Isolation:
        return self._pool if self.processes and not self._isolates(job.kind) else self._isolation

    def _sort(self, child: ChildProcess) -> Pool | Isolation:
        return self._isolation if child.isolate else self._pool

    def _hear(self, child: ChildProcess, fd: int) -> None:
        try:
            for message in child.read(fd):
                self._heed(child, message)
        except (ValueError, LookupError, TypeError) as error:
            logger.error("Child process %d is ended, it sent what cannot be read: %s", child.pid, error)
            child.retire(0)

    def _heed(self, child: ChildProcess, message: Message) -> None:
        match message:
            case ["told", notes, endings, left]:
                for slot, progress, lines in notes:
                    context = child.held[slot].context
                    context.add_log([(at, level, text) for at, level, text in lines])
                    if progress is not None:
                        context.progress(progress)
                child.left = left
                sort = self._sort(child)
                for row in endings:
                    sort.ended(child, row)
            case ["where", slot, answer]:
                if (charge := child.held.get(slot)) is not None:
                    charge.answer(answer)
            case ["record", level, name, text]:
                logging.getLogger(name).log(level, "%s", text)
            case ["ready", kinds]:
                child.ready, child.kinds = True, frozenset(kinds)
                self._sort(child).ready(child)
            case ["refused", sentence]:
                child.refused = sentence
            case _:
                raise ValueError(f"{message!r:.80}")

    def _look_after(self, child: ChildProcess, now: float) -> None:
        """Send the signals that are due; of one that has ended, end the rest."""
        if child.has_ended():
            child.retire(0)
        child.press(now)
        if not child.has_ended() or not child.is_gone():
            return
        self._hear(child, child.line.fileno())
        child.read_outputs()
        if child.ready and child.held:
            logger.warning("Child process %d has ended (%s) with %d jobs", child.pid, child.how_ended, len(child.held))
        self._nursery.bury(child)
        self._sort(child).buried(child)
