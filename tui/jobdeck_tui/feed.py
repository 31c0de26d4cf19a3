"""The only caller of the queue. It lives on a thread of its own; the screens see immutable snapshots.

The event loop never waits for the database: screens hand the feed a view or an act, and messages come back.
"""

from __future__ import annotations

import logging
import queue as queues
import threading
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from textual.message import Message

from jobdeck import (
    Attempt,
    Changes,
    ChildNotStarted,
    InvalidArguments,
    InvalidFilter,
    InvalidOption,
    Job,
    JobdeckError,
    JobNotFound,
    Kind,
    KindNotInChild,
    LogLine,
    Overview,
    Queue,
    StoreError,
    StoreLost,
    StoreReplaced,
    Term,
    Undoing,
    Worker,
    parse,
)

from .ageing import aged_priority
from .arrivals import told_apart
from .messages import (
    Acted,
    Answered,
    Checked,
    Deck,
    Detail,
    DetailSnapshot,
    Drained,
    Explained,
    Look,
    Page,
    Pool,
    Replaced,
    Seen,
    Snapshot,
    Trouble,
    View,
)
from .plight import in_short
from .text import safe

logger = logging.getLogger("jobdeck.feed")

Post = Callable[[Message], Any]
Act = Callable[[], None]
T = TypeVar("T")

EVERY = 0.5
"""Seconds between two looks."""
AHEAD = 60
"""Rows read before and after those on screen, so that moving seldom meets a row that is not there yet."""
_PATIENCE = 20
"""A list of ids that took t seconds to read is not read again for 20 t: at most 5 % of the feed's time."""
_LOG_LINES = 5000
_MOST_TEXT = 50_000
"""Characters of an error that are shown: its beginning and its end."""
_MOST_LINE = 1_000_000
"""Characters of a line of a log that are shown."""
_OPTION_FIELDS = {"unique key": "unique", "expiry": "expires", "tag": "tags"}
"""Options of a job, where a form's field has another name than its error."""


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
        self._view = View()
        self._ids = array("q")
        self._ids_of: tuple[str, str, str, bool] | None = None
        self._ids_again_at = 0.0
        self._page: Page | None = None
        self._watched: Look[object] | None = None
        self._read_at = 0.0
        self._opened: int | None = None
        self._logs_of: int | None = None
        self._logs: tuple[LogLine, ...] = ()
        self._looked_at = 0.0
        self._overview: Overview | None = None
        self._overview_of: tuple[float, int] | None = None
        self._asked = True
        self._frozen = False
        self._held_still: dict[int, Job] = {}
        self._shown: Mapping[int, Job] = {}
        self._trouble: str | None = None
        self._is_new = False
        """Whether another database has taken the place of the one before, and nothing has been read of it yet."""
        self._opened_job: Job | None = None

    # -- from the screens; each returns at once -----------------------------------------------------

    def start(self) -> None:
        """Begin to look, and to work if there are threads for it."""
        self._thread.start()

    def end(self) -> None:
        """End the thread; if the app ended without draining (a crash), release what still runs."""
        self._inbox.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)
        if self._worker is not None and self._drain_thread is None:
            self._worker.stop(grace=0.0)

    def look(self, view: View) -> None:
        """Show this view from now on."""

        def act() -> None:
            self._view = view
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

    def ask(self, read: Callable[[Queue], T], answer: Callable[[T], None]) -> None:
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

    def freeze(self, frozen: bool) -> None:
        """Stop or go on looking at what changes; the frozen view can still be scrolled."""

        def act() -> None:
            if frozen and not self._frozen:
                self._held_still = dict(self._shown)
            self._frozen = frozen

        self._inbox.put(act)

    def open_job(self, job_id: int | None) -> None:
        """Follow one job in detail, or none."""

        def act() -> None:
            self._opened, self._opened_job = job_id, None
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
        self._bulk(ids, self.queue.cancel_many, self._told_cancel)

    def retry(self, ids: Sequence[int]) -> None:
        """Retry the jobs."""
        self._bulk(ids, self.queue.retry_many, lambda done: f"{_jobs(done)} will run again")

    def reprioritise(self, ids: Sequence[int], by: int) -> None:
        """Add to the priority of the jobs."""
        self._bulk(
            ids,
            lambda ids: self.queue.reprioritise_many(ids, by, relative=True),
            lambda done: f"{_jobs(done)}: priority {self.queue.get(done[0]).priority if len(done) == 1 else f'{by:+d}'}",
        )

    def delete(self, ids: Sequence[int]) -> None:
        """Delete the jobs."""
        self._bulk(ids, self.queue.delete_many, lambda done: f"{_jobs(done)} deleted")

    def undo(self) -> None:
        """Take back what this person did last."""
        self._inbox.put(lambda: self._tell_turned(self.queue.undo(of=self.queue.who), "Undone"))

    def redo(self) -> None:
        """Do again what this person has undone last."""
        self._inbox.put(lambda: self._tell_turned(self.queue.redo(of=self.queue.who), "Done again"))

    def toggle(self, name: str) -> None:
        """Pause a queue, or let it go on: whichever it is not now."""

        def act() -> None:
            if self.queue.resume(name):
                self._tell(f"Queue {safe(name)} goes on · z undoes")
            else:
                self.queue.pause(name)
                self._tell(f"Queue {safe(name)} is paused: running jobs go on, nothing new starts · z undoes")

        self._inbox.put(act)

    def enqueue(self, kind: str, args: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        """Enqueue a job."""

        def act() -> None:
            drafts = [self.queue.draft(kind, args, **options)]
            with self.queue.transaction():
                newest = self.queue.list(limit=1)
                (arrival,) = told_apart(newest, self.queue.enqueue_many(drafts), drafts)
            job = arrival.job
            told = f"Job {job.id} {safe(job.kind)} enqueued" if arrival.new else arrival.sentence
            self._tell(told, failed=not arrival.new, job_id=job.id)

        self._inbox.put(act)

    def check(self, token: int, kind: str, args: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        """Say, in a `Checked` message with the token, what is wrong with a draft."""

        def act() -> None:
            problems: dict[str, str] = {}
            try:
                after = self.queue.draft(kind, args, **options).after
                there = {job.id for job in self.queue.get_many(after)} if after else set()
                problems.update(("after", str(JobNotFound(job_id))) for job_id in after if job_id not in there)
            except InvalidArguments as error:
                problems[error.field.partition(".")[0]] = error.problem
            except InvalidOption as error:
                problems[_OPTION_FIELDS.get(error.option, error.option)] = error.problem
            except JobdeckError as error:
                problems["*"] = str(error)
            self._post(Checked(token, problems))

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
            self.queue.renew()
            self._ask()

        self._inbox.put(act)

    @property
    def waiting_since(self) -> float | None:
        """Since when this process has been waiting for another program's lock. Asks no database."""
        return self.queue.waiting_since()

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
                self._post(Trouble(told, lost=isinstance(error, StoreLost)))
        except JobdeckError as error:
            self._post(Acted(str(error), failed=True))
        except Exception as error:
            self._looked_at = time.monotonic()
            logger.exception("The feed failed and goes on")
            self._post(Acted(f"A bug in jobdeck: {type(error).__name__}: {error}", failed=True))

    def _begin_anew(self) -> None:
        """Another database is there now: forget what was read of the one before. What is looked at stays the same."""
        self._is_new = True
        self._ids, self._ids_of = array("q"), None
        self._overview = self._page = self._logs_of = None
        self._held_still, self._shown = {}, {}
        self._ids_again_at = 0.0
        self._ask()
        self._post(Replaced())

    def _look(self) -> None:
        due = self._overview is None or time.monotonic() >= self._looked_at + EVERY
        if not (due or self._asked):
            return
        self._asked = False
        if due:
            self._start_worker()
        if due or self._overview is None or self._overview_of != (self._view.seconds, self._view.slots):
            # What was only scrolled or filtered is answered with the overview at hand: the answer is sooner there.
            self._overview_of = (self._view.seconds, self._view.slots)
            self._overview = self.queue.overview(seconds=self._view.seconds, slots=max(4, self._view.slots))
            self._looked_at = time.monotonic()
        if self._watched is None or self._page is None:
            self._page = self._read_page(refresh=not self._frozen or self._ids_of != self._view.order)
        pool = Pool(self._threads, self._worker.id if self._worker else None, trouble=self.held_up)
        self._post(Snapshot(Deck(self._overview, self._page, pool)))
        if self._watched is not None and time.monotonic() >= self._read_at:
            begun = time.monotonic()
            self._post(Seen(self._watched, self._watched.read(self.queue)))
            took = time.monotonic() - begun
            # Less a little, so that a look of each beat does not miss every second one.
            self._read_at = begun + max(self._watched.every - EVERY / 10, _PATIENCE * took)
        if self._opened is not None:
            self._post(DetailSnapshot(self._detail(self._opened)))
        if self._is_new:
            total = sum(self._overview.counts.values())
            self._post(Acted(f"This is another database now, with {total:,} job{'s' * (total != 1)}", failed=True))
        if self._trouble is not None:
            self._trouble = None
            self._post(Trouble(None))
            if not self._is_new:
                self._post(Acted("The database can be read again"))
        self._is_new = False

    def _read_page(self, *, refresh: bool) -> Page:
        view = self._view
        if refresh and (self._ids_of != view.order or time.monotonic() >= self._ids_again_at):
            begun = time.monotonic()
            try:
                condition = parse(view.filter)
            except InvalidFilter as error:
                # Keep showing what was there: a filter is wrong most of the time while it is typed.
                return self._window(view, problem=error.problem, column=error.column)
            if view.tab != "all":
                condition = condition.and_(Term("state", ":", (view.tab,)))
            self._ids = self.queue.ids(condition, sort=view.sort, descending=view.descending)
            self._ids_of = view.order
            took = time.monotonic() - begun
            self._ids_again_at = begun + max(EVERY * 0.9, _PATIENCE * took)
        return self._window(view)

    def _window(self, view: View, problem: str | None = None, column: int = 0) -> Page:
        first = max(0, min(view.top, len(self._ids)) - AHEAD)
        wanted = self._ids[first : view.top + view.rows + AHEAD]
        if not self._frozen:
            self._held_still = {}
        # A frozen view shows each job as it was when it was first seen.
        unseen = [job_id for job_id in wanted if job_id not in self._held_still]
        jobs = {**self._held_still, **{job.id: job for job in self.queue.get_many(unseen)}}
        if self._frozen:
            self._held_still = jobs
        self._shown = jobs
        return Page(view, self._ids, jobs, problem, column)

    def _detail(self, job_id: int) -> Detail:
        at = self.queue.clock.now()
        try:
            job = self.queue.get(job_id)
            if self._opened_job is not None and not same_job(job, self._opened_job):
                return Detail(at, None, job_id)  # another job, in another database, that has the same id
            self._opened_job = job
            family = self.queue.family(job_id)
            attempts = tuple(map(_bounded, self.queue.attempts(job_id)))
            if self._logs_of != job_id:
                self._logs_of, self._logs = job_id, ()
            news = self.queue.logs(job_id, after=self._logs[-1].id if self._logs else 0, limit=_LOG_LINES)
            if news:
                self._logs = (*self._logs, *map(_bounded_line, news))[-_LOG_LINES:]
        except JobNotFound:
            return Detail(at, None, job_id)
        return Detail(at, job, job_id, attempts, self._logs, family, aged_priority(job, at, self.queue.settings.ageing))

    # -- acts -------------------------------------------------------------------------------------

    def _bulk(
        self, ids: Sequence[int], change: Callable[[Sequence[int]], Changes], told: Callable[[Sequence[int]], str]
    ) -> None:
        wanted = list(ids)

        def act() -> None:
            changes = change(wanted)
            refusals = list(changes.refused.values())
            if changes.done:
                rest = f"; {len(refusals):,} could not, for example: {refusals[0]}" if refusals else ""
                self._tell(told(changes.done) + _undoable(changes) + rest, failed=bool(refusals))
            elif refusals:
                more = f" (and {len(refusals) - 1:,} more)" if len(refusals) > 1 else ""
                self._tell(f"{refusals[0]}{more}", failed=True)

        self._inbox.put(act)

    def _told_cancel(self, done: Sequence[int]) -> str:
        stopping = sum(job.cancelling for job in self.queue.get_many(done[:1000]))
        if stopping == len(done):
            return f"{_jobs(done)} asked to stop"
        return f"{_jobs(done)} cancelled" + (f", {stopping} of them asked to stop" if stopping else "")

    def _tell_turned(self, undoing: Undoing, what: str) -> None:
        refusals = list(undoing.refused.values())
        rest = len(refusals) + undoing.beyond
        text = f"{what}: {safe(undoing.act.told)}"
        if not undoing.done:
            text = f"Not {what.lower()}: {safe(undoing.act.told)}"
        elif rest:
            text += f", for {len(undoing.done):,} of {len(undoing.done) + rest:,}"
        if refusals:
            text += f". {refusals[0]}" + (f" (and {len(refusals) - 1:,} more)" if len(refusals) > 1 else "")
        self._tell(text, failed=bool(rest) or not undoing.done)

    def _tell(self, text: str, *, failed: bool = False, job_id: int | None = None) -> None:
        self._looked_at = self._ids_again_at = self._read_at = 0.0
        self._post(Acted(text, failed=failed, job_id=job_id))


def _bounded(attempt: Attempt) -> Attempt:
    """The attempt with as much of its error as a person can read: a screen would take gigabytes to wrap the rest."""
    message, traceback = (_cut(text, attempt.job_id) for text in (attempt.message, attempt.traceback))
    if message is attempt.message and traceback is attempt.traceback:
        return attempt
    return replace(attempt, message=message, traceback=traceback)


def _bounded_line(line: LogLine) -> LogLine:
    """The same for a line of a log."""
    if len(line.text) <= _MOST_LINE:
        return line
    left = f"… {len(line.text) - _MOST_LINE:,} characters are left out here; `jobdeck logs` prints them"
    return replace(line, text=line.text[:_MOST_LINE] + left)


def _cut(text: str | None, job_id: int) -> str | None:
    if text is None or len(text) <= _MOST_TEXT:
        return text
    half = _MOST_TEXT // 2
    left = f"\n… {len(text) - 2 * half:,} characters are left out here; `jobdeck show {job_id} --json` prints them …\n"
    return text[:half] + left + text[-half:]


def same_job(one: Job, other: Job) -> bool:
    """Whether two records with the same id are of the same job; not so where a database was replaced."""
    return (one.kind, one.created_at) == (other.kind, other.created_at)


def _nothing() -> None:
    """Stands for a time-out of the inbox."""


def _undoable(changes: Changes) -> str:
    """Which jobs were drawn along, and the key that takes it all back, where one does."""
    drawn = f", and {changes.children:,} that waited" if changes.children else ""
    return drawn + _key_of(changes)


def _key_of(changes: Changes) -> str:
    if changes.undoable == len(changes.done):
        return " · z undoes"
    return f" · z undoes {changes.undoable:,} of them" if changes.undoable else ""


def _jobs(ids: Sequence[int]) -> str:
    return f"Job {ids[0]}" if len(ids) == 1 else f"{len(ids):,} jobs"
