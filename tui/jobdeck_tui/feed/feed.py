"""The only caller of the queue. It lives on a thread of its own; the screens see immutable snapshots.

The event loop never waits for the database: screens hand the feed a view or an act, and messages come back.
"""

from __future__ import annotations

import logging
import queue as queues
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from textual.message import Message

from jobdeck import (
    JobdeckError,
    JobNotFound,
    Kind,
    Operation,
    Overview,
    Queue,
    StoreAway,
    StoreBusy,
    StoreError,
    StoreLost,
    StoreReplaced,
)

from ..text.enqueue_result import told_apart
from ..text.sanitize import safe
from .bulk_actions import Hand, busy
from .connection_status import in_short
from .job_actions import CANCEL, DELETE, RETRY, STEP, Deed, Outcome, Selection, Weighed, told_turned
from .messages import (
    Acted,
    Answered,
    Deck,
    DetailSnapshot,
    Drained,
    Explained,
    Page,
    Pool,
    Replaced,
    Seen,
    Snapshot,
    Trouble,
    View,
)
from .pages import Pages
from .queries import Look
from .queries.job import Following

if TYPE_CHECKING:
    from jobdeck import Worker

logger = logging.getLogger("jobdeck.feed")

Post = Callable[[Message], Any]
Act = Callable[[], None]
T = TypeVar("T")
Reading = Callable[[Queue], T]
"""Reads something, or does it, on the feed's thread."""

EVERY = 0.5
"""Seconds between two looks."""
_PATIENCE = 20
"""A look that took t seconds is not taken again for 20 t: at most 5 % of the feed's time."""
_LONG = 2000
"""An act on more jobs than this is undone on a thread of its own."""


class Feed:
    """Reads the queue and does what people ask, on one thread. Also owns this process's worker."""

    def __init__(self, queue: Queue, post: Post, *, threads: int = 0, readonly: bool = False) -> None:
        self.queue = queue
        self.readonly = readonly
        self._post = post
        self._threads = threads
        self._inbox: queues.SimpleQueue[Act | None] = queues.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="jobdeck-feed", daemon=True)
        self._worker: Worker | None = None
        self._drain_thread: threading.Thread | None = None
        self._pages = Pages(queue, lambda: self._inbox.put(self._look_soon))
        self._hand = Hand(queue, post, lambda: self._inbox.put(self._ask))
        self._page: Page | None = None
        self._watched: Look[object] | None = None
        self._read_at = 0.0
        self._following: Following | None = None
        self._looked_at = 0.0
        self._overview: Overview | None = None
        self._overview_of: tuple[float, int] | None = None
        self._asked = True
        self._trouble: str | None = None
        self._is_new = False
        """Whether another database has taken the place of the one before, and nothing has been read of it yet."""

    # -- from the screens; each returns at once -----------------------------------------------------

    def start(self) -> None:
        """Begin to look, and to work if there are threads for it."""
        self._thread.start()

    def end(self) -> None:
        """End the threads; if the app ended without draining (a crash), release what still runs."""
        self._hand.end()
        self._inbox.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)
        self._pages.end()
        if self._worker is not None and self._drain_thread is None:
            self._worker.stop(grace=0.0)

    def look(self, view: View) -> None:
        """Show this view from now on."""

        def act() -> None:
            self._pages.view = view
            self._asked = True

        self._inbox.put(act)

    def watch(self, look: Look[object] | None) -> None:
        """Read this again and again, and post it as `Seen`; with `None`, look at the jobs again.

        While something else is watched, the page of jobs is left as it was.
        """

        def act() -> None:
            if look != self._watched:
                self._watched = look
                self._read_at = 0.0
            self._asked = True

        self._inbox.put(act)

    def ask(self, read: Reading[T], answer: Callable[[T], None]) -> None:
        """Read something once. `answer` is called with it on the event loop; not at all if the reading failed."""
        self._inbox.put(lambda: self._post(Answered(answer, read(self.queue))))

    def do(self, act: Callable[[Queue], str]) -> None:
        """Do something to the queue. What it returns is told in a toast, and so is the error it raises."""
        self._inbox.put(lambda: self._tell(act(self.queue)))

    def refresh(self) -> None:
        """Look now."""
        self._inbox.put(self._ask)

    def _ask(self) -> None:
        self._looked_at = self._read_at = 0.0
        self._pages.again()

    def _look_soon(self) -> None:
        self._asked = True

    def freeze(self, frozen: bool) -> None:
        """Stop or go on looking at what changes; the frozen view can still be scrolled."""
        self._inbox.put(lambda: self._pages.freeze(frozen))

    def open_job(self, job_id: int | None, columns: int = 0) -> None:
        """Follow one job in detail, or none; with the history of its kind, in about so many columns, if there are any."""

        def act() -> None:
            if job_id is None or self._following is None or self._following.job_id != job_id:
                self._following = None if job_id is None else Following(job_id)
            if self._following is not None:
                self._following.columns = columns
            self._asked = True

        self._inbox.put(act)

    def explain(self, job_id: int) -> None:
        """Say, in an `Explained` message, why the job does not run."""

        def act() -> None:
            try:
                self._post(Explained(job_id, self.queue.explain(job_id)))
            except JobNotFound:
                self._post(Explained(job_id, None))

        self._inbox.put(act)

    def kinds(self) -> Sequence[Kind]:
        """The kinds that can be enqueued. Reads no database."""
        return self.queue.kinds()

    def cancel(self, ids: Sequence[int]) -> None:
        """Cancel the jobs."""
        self.act(CANCEL, ids)

    def retry(self, ids: Sequence[int]) -> None:
        """Retry the jobs."""
        self.act(RETRY, ids)

    def reprioritise(self, ids: Sequence[int], by: int) -> None:
        """Add to the priority of the jobs."""
        self.act(Deed(Operation.REPRIORITISE, by), ids)

    def delete(self, ids: Sequence[int]) -> None:
        """Delete the jobs."""
        self.act(DELETE, ids)

    def act(self, deed: Deed, ids: Sequence[int]) -> None:
        """Do a deed to the jobs: a few at once; many in steps, telling how far it is, as one act of the journal."""
        if len(ids) > STEP:
            self._hand.act(deed, ids)
            return
        wanted = list(ids)

        def act() -> None:
            outcome = Outcome(deed)
            try:
                outcome.add(self.queue, deed.do(self.queue, wanted))
            except StoreBusy as error:  # told long after the key was pressed: say of what it is
                what = f"job {wanted[0]}" if len(wanted) == 1 else f"{len(wanted):,} jobs"
                self._tell(f"Could not {deed.verb.lower()} {what}: {error}", failed=True)
                return
            text, failed = outcome.sentence(self.queue)
            if text:
                self._tell(text, failed=failed)

        self._inbox.put(act)

    def weigh(self, deed: Deed, selection: Selection, answer: Callable[[Weighed], None]) -> None:
        """Find out what a deed would do to a selection; `answer` is called with it on the event loop."""
        self._hand.weigh(deed, selection, answer)

    @property
    def acting(self) -> str:
        """The long act that is done now, in words; empty while there is none."""
        return self._hand.doing

    def stop_acting(self) -> bool:
        """Stop the long act after the step that it is in; `False` if there is none."""
        return self._hand.stop()

    def undo(self) -> None:
        """Take back what this person did last."""
        self._inbox.put(lambda: self._turn(redo=False))

    def redo(self) -> None:
        """Do again what this person has undone last."""
        self._inbox.put(lambda: self._turn(redo=True))

    def _turn(self, *, redo: bool) -> None:
        if self._hand.doing:
            self._post(Acted(busy(self._hand.doing), failed=True))
            return
        who = self.queue.who
        long = self._long_act(who, redo=redo)
        if long is not None:
            self._hand.turn(*long, redo=redo)
        else:
            undoing = self.queue.redo(of=who) if redo else self.queue.undo(of=who)
            text, failed = told_turned(undoing, "Done again" if redo else "Undone")
            self._tell(text, failed=failed)

    def _long_act(self, who: str, *, redo: bool) -> tuple[int, int] | None:
        """The act that comes next to be undone or done again, and its jobs, if these are many."""
        acts = self.queue.journal.entries(limit=1000)
        if redo:
            undone = [act for act in acts if act.undone_by == who and act.undone_at is not None]
            act = max(undone, key=lambda act: act.undone_at or 0.0, default=None)
            if act is not None and any(each.who == who and each.at > (act.undone_at or 0.0) for each in acts):
                return None  # who has acted since does not want it on top of that
        else:
            act = next((act for act in acts if act.who == who and act.undone_at is None), None)
        return None if act is None or act.n <= _LONG else (act.id, act.n)

    def toggle(self, name: str) -> None:
        """Pause a queue, or let it go on: whichever it is not now."""

        def act() -> None:
            if self.queue.resume(name):
                self._tell(f"Queue {safe(name)} goes on · z undoes")
            else:
                self.queue.pause(name)
                self._tell(f"Queue {safe(name)} is paused: running jobs go on, nothing new starts · z undoes")

        self._inbox.put(act)

    def toggle_all(self) -> None:
        """Pause every queue that there is; let all go on where every one is paused."""

        def act() -> None:
            with self.queue.transaction():
                paused = self.queue.pause_all()
                resumed = () if paused else self.queue.resume_all()
                known = len(self.queue.queues())
            if paused:
                before = known - len(paused)
                had = f", {before:,} of them before" if before else ""
                every = f"All {known:,} queues are" if known > 1 else f"Queue {safe(paused[0])} is"
                self._tell(f"{every} paused{had}: running jobs go on, nothing new starts · z undoes")
            elif resumed:
                every = f"All {len(resumed):,} queues go" if len(resumed) > 1 else f"Queue {safe(resumed[0])} goes"
                self._tell(f"{every} on · z undoes")

        self._inbox.put(act)

    def enqueue(self, kind: str, args: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        """Enqueue a job."""

        def act() -> None:
            drafts = [self.queue.new_job(kind, args, **options)]
            with self.queue.transaction():
                newest = self.queue.list(limit=1)
                (arrival,) = told_apart(newest, self.queue.enqueue_many(drafts), drafts)
            job = arrival.job
            told = f"Job {job.id} {safe(job.kind)} enqueued" if arrival.new else arrival.sentence
            self._tell(told, failed=not arrival.new, job_id=job.id)

        self._inbox.put(act)

    def resize(self, by: int) -> None:
        """Run so many worker threads more, or fewer, in this process."""

        def act() -> None:
            self._threads = max(0, self._threads + by)
            if self._worker is not None:
                self._worker.resize(self._threads)
            self._start_worker()
            self._tell(f"{self._threads} worker thread{'s' * (self._threads != 1)}")

        self._inbox.put(act)

    def renew(self) -> None:
        """Make a new and empty database where there is none any more."""

        def act() -> None:
            self.queue.recreate()
            self._ask()

        self._inbox.put(act)

    @property
    def waiting_since(self) -> float | None:
        """Since when this process has been waiting for another program's lock. Asks no database."""
        return self.queue.lock_wait_started()

    @property
    def held_up(self) -> str | None:
        """Why this process's worker can neither claim nor finish jobs, in short. Asks no database."""
        trouble = self._worker.trouble if self._worker is not None else None
        return None if trouble is None else in_short(trouble, self.queue.where)

    def drain(self, grace: float) -> None:
        """Let the running jobs finish for up to `grace` seconds, release the rest; a `Drained` message ends it.

        Asked again with a shorter grace, the shorter one counts.
        """
        worker = self._worker

        def stop() -> None:
            clean = worker is None or worker.stop(grace)
            self._post(Drained(clean))

        # Not on the feed's thread: the screen goes on showing what still runs.
        self._drain_thread = threading.Thread(target=stop, name="jobdeck-drain", daemon=True)
        self._drain_thread.start()

    @property
    def running_here(self) -> int:
        """How many jobs this process runs now."""
        return self._worker.running if self._worker is not None else 0

    # -- the thread -------------------------------------------------------------------------------

    def _loop(self) -> None:
        self._guarded(self._start_worker)
        while True:
            pause = max(0.0, self._looked_at + EVERY - time.monotonic())
            try:
                act = self._inbox.get(timeout=pause)
            except queues.Empty:
                act = _nothing
            while True:
                if act is None:
                    return
                if act is not _nothing:
                    self._guarded(act)
                try:
                    act = self._inbox.get_nowait()
                except queues.Empty:
                    break
            self._guarded(self._look)

    def _start_worker(self) -> None:
        """Start the worker if it shall run and does not; a database that is busy just now is asked again later."""
        if self._threads and self._worker is None and self._drain_thread is None:
            from jobdeck import ChildNotStarted, KindNotInChild, Worker  # the first picture need not wait for them

            worker = Worker(self.queue, threads=self._threads)
            try:
                worker.start()
            except (ChildNotStarted, KindNotInChild):
                self._threads = 0  # it would fail again, and be told again each second
                raise
            self._worker = worker

    def _guarded(self, act: Act) -> None:
        """Do it; a failure becomes a sentence on the screen, and the thread lives on."""
        try:
            act()
        except StoreReplaced as error:
            self._begin_anew()
            if act != self._look:
                self._post(Acted(f"{error} Nothing was done.", failed=True))
        except StoreError as error:
            if act != self._look:
                self._post(Acted(str(error), failed=True))
                return
            self._looked_at = time.monotonic()
            told = in_short(str(error), self.queue.where)
            if self._trouble != told:
                self._trouble = told
                # A server that is away comes back by itself; another queue is made only where there is none any more.
                self._post(Trouble(told, lost=isinstance(error, StoreLost) and not isinstance(error, StoreAway)))
        except JobdeckError as error:
            self._post(Acted(str(error), failed=True))
        except Exception as error:
            self._looked_at = time.monotonic()
            logger.exception("The feed failed and goes on")
            self._post(Acted(f"A bug in jobdeck: {type(error).__name__}: {error}", failed=True))

    def _begin_anew(self) -> None:
        """Another database is there now: forget what was read of the one before. What is looked at stays the same."""
        self._is_new = True
        self._pages.forget()
        self._overview = self._page = None
        self._ask()
        self._post(Replaced())

    def _look(self) -> None:
        due = self._overview is None or time.monotonic() >= self._looked_at + EVERY
        if not (due or self._asked):
            return
        self._asked = False
        if due:
            self._start_worker()
        view = self._pages.view
        if due or self._overview is None or self._overview_of != (view.seconds, view.slots):
            # What was only scrolled or filtered is answered with the overview at hand: the answer is sooner there.
            self._overview_of = (view.seconds, view.slots)
            self._overview = self.queue.overview(seconds=view.seconds, slots=max(4, view.slots))
            self._looked_at = time.monotonic()
        if self._watched is None or self._page is None:
            self._page = self._pages.read()
        pool = Pool(self._threads, self._worker.id if self._worker else None, trouble=self.held_up)
        self._post(Snapshot(Deck(self._overview, self._page, pool)))
        if self._watched is not None and time.monotonic() >= self._read_at:
            begun = time.monotonic()
            self._post(Seen(self._watched, self._watched.read(self.queue)))
            took = time.monotonic() - begun
            # Less a little, so that a look of each beat does not miss every second one.
            self._read_at = begun + max(self._watched.every - EVERY / 10, _PATIENCE * took)
        if self._following is not None:
            self._following.look(self.queue)
            self._post(DetailSnapshot(self._following.take))
        if self._is_new:
            total = sum(self._overview.counts.values())
            self._post(Acted(f"This is another database now, with {total:,} job{'s' * (total != 1)}", failed=True))
        if self._trouble is not None:
            self._trouble = None
            self._post(Trouble(None))
            if not self._is_new:
                self._post(Acted("The database can be read again"))
        self._is_new = False

    def _tell(self, text: str, *, failed: bool = False, job_id: int | None = None) -> None:
        self._ask()
        self._post(Acted(text, failed=failed, job_id=job_id))


def _nothing() -> None:
    """Stands for a time-out of the inbox."""
