"""The only caller of the queue. It runs on its own thread; the screens get immutable snapshots.

The event loop never waits for the database: screens pass the feed a view or an action, and get messages back.
"""

from __future__ import annotations

import logging
import os
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
    OperationResult,
    Overview,
    Queue,
    StoreBusy,
    StoreError,
    StoreMissing,
    StoreReplaced,
    StoreUnreachable,
    carried_environment,
    known_problem,
)

from ..text.enqueue_result import enqueue_results
from ..text.sanitize import safe
from .bulk_actions import BulkActionRunner, busy_text
from .connection_status import shorten_error
from .job_actions import (
    DELETE,
    RETRY,
    STEP,
    ActionPreview,
    ActionResult,
    JobAction,
    Selection,
    apply_reversibly,
    undo_text,
)
from .messages import (
    ActionFinished,
    DashboardSnapshot,
    DatabaseReplaced,
    DatabaseUnavailable,
    DetailSnapshot,
    Drained,
    Explained,
    JobsPage,
    LocalWorker,
    QueryResult,
    Reply,
    Snapshot,
    View,
)
from .pages import Pages
from .queries import ScreenQuery
from .queries.job import JobFollower

if TYPE_CHECKING:
    from jobdeck import Worker

logger = logging.getLogger("jobdeck.feed")

Post = Callable[[Message], Any]
Task = Callable[[], None]
T = TypeVar("T")
Reading = Callable[[Queue], T]
"""Queries the queue on the feed's thread."""

EVERY = 0.5
"""Seconds between two polls."""
_PATIENCE = 20
"""A query that took t seconds is not repeated for 20 t, so that it takes at most 5 % of the feed's time."""
_LONG = 2000
"""An action on more jobs than this is undone on a separate thread."""


class Feed:
    """Polls the queue and runs the user's actions, on one thread. Also owns this process's worker."""

    def __init__(self, queue: Queue, post: Post, *, threads: int = 0, readonly: bool = False) -> None:
        self.queue = queue
        self.readonly = readonly
        self._post = post
        self._threads = threads
        self._inbox: queues.SimpleQueue[Task | None] = queues.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="jobdeck-feed", daemon=True)
        self._worker: Worker | None = None
        self._drain_thread: threading.Thread | None = None
        self._pages = Pages(queue, lambda: self._inbox.put(self._request_poll))
        self._bulk_runner = BulkActionRunner(queue, post, lambda: self._inbox.put(self._invalidate))
        self._page: JobsPage | None = None
        self._polled_query: ScreenQuery[object] | None = None
        self._read_at = 0.0
        self._following: JobFollower | None = None
        self._polled_at = 0.0
        self._overview: Overview | None = None
        self._overview_of: tuple[float, int] | None = None
        self._poll_requested = True
        self._last_error: str | None = None
        self._notice: str | None = None
        self._is_new = False
        """`True` if another database has replaced the previous one and has not been read yet."""
        self.drained_cleanly = True
        """`True` if the worker has stopped with all its jobs finished or released, or was not asked to stop."""

    # -- called by the screens; each returns immediately -----------------------------------------------------

    def start(self) -> None:
        """Start polling, and start the worker if it has threads."""
        self._thread.start()

    def end(self) -> None:
        """Stop the threads; if the app ended without draining (a crash), release the running jobs."""
        self._bulk_runner.end()
        self._inbox.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)
        self._pages.end()
        if self._worker is not None and self._drain_thread is None:
            self.drained_cleanly = self._worker.stop(grace=0.0)

    def set_view(self, view: View) -> None:
        """Set the view that snapshots show from now on."""

        def task() -> None:
            self._pages.view = view
            self._poll_requested = True

        self._inbox.put(task)

    def poll(self, query: ScreenQuery[object] | None) -> None:
        """Poll this query and post each result as `QueryResult`; with `None`, poll the page of jobs again.

        While a query is polled, the page of jobs is not refreshed.
        """

        def task() -> None:
            if query != self._polled_query:
                self._polled_query = query
                self._read_at = 0.0
            self._poll_requested = True

        self._inbox.put(task)

    def query(self, read: Reading[T], answer: Callable[[T], None]) -> None:
        """Run a query once and call `answer` with its result on the event loop; not if the query failed."""
        self._inbox.put(lambda: self._post(Reply(answer, read(self.queue))))

    def run(self, action: Callable[[Queue], str]) -> None:
        """Run an action on the queue. A toast shows the text it returns, or the error it raises."""
        self._inbox.put(lambda: self._report(action(self.queue)))

    def refresh(self) -> None:
        """Poll now."""
        self._inbox.put(self._invalidate)

    def _invalidate(self) -> None:
        """Make the next poll read everything."""
        self._polled_at = self._read_at = 0.0
        self._pages.reread()

    def _request_poll(self) -> None:
        self._poll_requested = True

    def freeze(self, frozen: bool) -> None:
        """Freeze or unfreeze the view; a frozen view can still be scrolled."""
        self._inbox.put(lambda: self._pages.freeze(frozen))

    def open_job(self, job_id: int | None, columns: int = 0) -> None:
        """Follow one job, or none; include the history of its kind in about `columns` columns, unless `columns` is 0."""

        def task() -> None:
            if job_id is None or self._following is None or self._following.job_id != job_id:
                self._following = None if job_id is None else JobFollower(job_id)
            if self._following is not None:
                self._following.columns = columns
            self._poll_requested = True

        self._inbox.put(task)

    def explain(self, job_id: int) -> None:
        """Post an `Explained` message with the reasons why the job does not run."""

        def task() -> None:
            try:
                self._post(Explained(job_id, self.queue.explain(job_id)))
            except JobNotFound:
                self._post(Explained(job_id, None))

        self._inbox.put(task)

    def kinds(self) -> Sequence[Kind]:
        """Return the kinds that can be enqueued. Does not read the database."""
        return self.queue.kinds.list()

    def retry(self, ids: Sequence[int]) -> None:
        """Retry the jobs."""
        self.run_action(RETRY, ids)

    def reprioritize(self, ids: Sequence[int], by: int) -> None:
        """Add `by` to the priority of the jobs."""
        self.run_action(JobAction(Operation.REPRIORITIZE, by), ids)

    def delete(self, ids: Sequence[int]) -> None:
        """Delete the jobs."""
        self.run_action(DELETE, ids)

    def run_action(
        self, action: JobAction, ids: Sequence[int], ask: Callable[[ActionPreview | None], None] | None = None
    ) -> None:
        """Apply an action to the jobs: to a few directly; to many in steps, with progress messages, as one journal entry.

        Args:
            action: the action.
            ids: the jobs.
            ask: called on the event loop, for a few jobs: with the preview, if it could not be undone for some of them, and
                none were changed; with `None`, if they were. If it is `None`, no question is asked.
        """
        if len(ids) > STEP:
            self._bulk_runner.run_action(action, ids)
            return
        wanted = list(ids)

        def task() -> None:
            outcome = ActionResult(action)
            try:
                if ask is None:
                    changes: OperationResult | ActionPreview | str = action.apply(self.queue, wanted)
                else:
                    changes = apply_reversibly(self.queue, action, wanted)
                    self._post(Reply(ask, changes if isinstance(changes, ActionPreview) else None))
                if isinstance(changes, str):
                    self._report(changes)
                if not isinstance(changes, OperationResult):
                    return
                outcome.add(self.queue, changes)
            except StoreBusy as error:  # shown long after the key was pressed: name the jobs
                what = f"job {wanted[0]}" if len(wanted) == 1 else f"{len(wanted):,} jobs"
                self._report(f"Could not {action.verb.lower()} {what}: {error}", failed=True)
                return
            text, failed = outcome.to_text(self.queue)
            if text:
                self._report(text, failed=failed)

        self._inbox.put(task)

    def preview(self, action: JobAction, selection: Selection, answer: Callable[[ActionPreview], None]) -> None:
        """Compute what an action would do to a selection, and call `answer` with the preview on the event loop."""
        self._bulk_runner.preview(action, selection, answer)

    @property
    def running_action(self) -> str:
        """The bulk action that is running, as text; empty if there is none."""
        return self._bulk_runner.doing

    def stop_action(self) -> bool:
        """Stop the bulk action after its current step; return `False` if there is none."""
        return self._bulk_runner.stop()

    def undo(self) -> None:
        """Undo this user's last action."""
        self._inbox.put(lambda: self._undo_or_redo(redo=False))

    def redo(self) -> None:
        """Redo the action that this user undid last."""
        self._inbox.put(lambda: self._undo_or_redo(redo=True))

    def _undo_or_redo(self, *, redo: bool) -> None:
        if self._bulk_runner.doing:
            self._post(ActionFinished(busy_text(self._bulk_runner.doing), failed=True))
            return
        actor = self.queue.actor
        bulk = self._bulk_entry(actor, redo=redo)
        if bulk is not None:
            self._bulk_runner.undo_or_redo(*bulk, redo=redo)
        else:
            undone = self.queue.journal.redo(of=actor) if redo else self.queue.journal.undo(of=actor)
            text, failed = undo_text(undone, "Redone" if redo else "Undone")
            self._report(text, failed=failed)

    def _bulk_entry(self, actor: str, *, redo: bool) -> tuple[int, int] | None:
        """Return the id of the journal entry to undo or redo next and its number of jobs; `None` if these are few."""
        entries = self.queue.journal.entries(limit=1000)
        if redo:
            undone = [entry for entry in entries if entry.undone_by == actor and entry.undone_at is not None]
            last = max(undone, key=lambda entry: entry.undone_at or 0.0, default=None)
            if last is not None and any(each.actor == actor and each.at > (last.undone_at or 0.0) for each in entries):
                return None  # a newer action of the same user rules out a redo
        else:
            last = next((entry for entry in entries if entry.actor == actor and entry.undone_at is None), None)
        return None if last is None or last.n <= _LONG else (last.id, last.n)

    def toggle(self, name: str) -> None:
        """Pause a queue, or resume it if it is paused."""

        def task() -> None:
            if self.queue.resume(name):
                self._report(f"Queue {safe(name)} resumed · z to undo")
            else:
                self.queue.pause(name)
                self._report(f"Queue {safe(name)} paused: running jobs continue, nothing new starts · z to undo")

        self._inbox.put(task)

    def toggle_all(self) -> None:
        """Pause every queue; resume all if every one is paused."""

        def task() -> None:
            paused = self.queue.pause_all()
            resumed = () if paused else self.queue.resume_all()
            known = len(self.queue.queues()) if paused else 0
            if paused:
                before = known - len(paused)
                already = f", {before:,} of them before" if before else ""
                subject = f"All {known:,} queues" if known > 1 else f"Queue {safe(paused[0])}"
                self._report(f"{subject} paused{already}: running jobs continue, nothing new starts · z to undo")
            elif resumed:
                subject = f"All {len(resumed):,} queues" if len(resumed) > 1 else f"Queue {safe(resumed[0])}"
                self._report(f"{subject} resumed · z to undo")

        self._inbox.put(task)

    def save(self, action: Callable[[Queue], str], answer: Callable[[str | None], None]) -> None:
        """Run what a form does. A toast shows the text it returns; `answer` gets `None`, or the error it raises."""
        self._inbox.put(lambda: self._save(lambda: self._report(action(self.queue)), answer))

    def _save(self, action: Task, answer: Callable[[str | None], None]) -> None:
        try:
            action()
        except JobdeckError as error:  # the form stays open, and shows it
            if isinstance(error, StoreReplaced):
                self._on_replaced()
            self._post(Reply(answer, str(error)))
        else:
            self._post(Reply(answer, None))

    def enqueue(
        self, kind: str, args: Mapping[str, Any], options: Mapping[str, Any], answer: Callable[[str | None], None]
    ) -> None:
        """Enqueue a job; `answer` gets `None`, or why it could not be enqueued."""

        def task() -> None:
            carried = {"base_env": carried_environment(os.environ)} if kind == "shell" and "base_env" not in args else {}
            drafts = [self.queue.new_job(kind, {**args, **carried}, **options)]
            (arrival,) = enqueue_results(self.queue.enqueue_new(drafts), drafts)
            job = arrival.job
            text = f"Job {job.id} {safe(job.kind)} enqueued" if arrival.new else arrival.sentence
            self._report(text, failed=not arrival.new, job_id=job.id)

        self._inbox.put(lambda: self._save(task, answer))

    def resize(self, by: int) -> None:
        """Add `by` worker threads to this process; a negative number removes threads."""

        def task() -> None:
            if self.queue.is_remote:
                self._report("Jobs run where the database is; this cockpit only watches and operates", failed=True)
                return
            self._threads = max(0, self._threads + by)
            if self._worker is not None:
                self._worker.resize(self._threads)
            self._start_worker()
            self._report(f"{self._threads} worker thread{'s' * (self._threads != 1)}")

        self._inbox.put(task)

    def recreate(self) -> None:
        """Create a new, empty database if the old one no longer exists."""

        def task() -> None:
            self.queue.recreate()
            self._invalidate()

        self._inbox.put(task)

    @property
    def can_run_jobs(self) -> bool:
        """Return whether this process may start worker threads: it may change the queue, and has its database."""
        return not (self.readonly or self.queue.is_remote)

    @property
    def lock_wait_started(self) -> float | None:
        """Monotonic time since which this process waits for another program's lock. Does not read the database."""
        return self.queue.lock_wait_started()

    @property
    def worker_error(self) -> str | None:
        """Why this process's worker can neither claim nor finish jobs, in short. Does not read the database."""
        trouble = self._worker.last_error if self._worker is not None else None
        return None if trouble is None else shorten_error(trouble, self.queue.where)

    def drain(self, grace: float) -> None:
        """Let the running jobs finish for up to `grace` seconds and release the rest; post `Drained` at the end.

        If called again with a shorter grace, the shorter one counts.
        """
        worker = self._worker

        def stop() -> None:
            clean = self.drained_cleanly = worker is None or worker.stop(grace)
            self._post(Drained(clean))

        # Not on the feed's thread, so that the screen keeps showing the running jobs.
        self._drain_thread = threading.Thread(target=stop, name="jobdeck-drain", daemon=True)
        self._drain_thread.start()

    @property
    def running_here(self) -> int:
        """The number of jobs that this process runs now."""
        return self._worker.running if self._worker is not None else 0

    # -- the thread -------------------------------------------------------------------------------

    def _loop(self) -> None:
        self._safely(self._start_worker)
        while True:
            pause = max(0.0, self._polled_at + EVERY - time.monotonic())
            try:
                task = self._inbox.get(timeout=pause)
            except queues.Empty:
                task = _nothing
            while True:
                if task is None:
                    return
                if task is not _nothing:
                    self._safely(task)
                try:
                    task = self._inbox.get_nowait()
                except queues.Empty:
                    break
            self._safely(self._poll)

    def _start_worker(self) -> None:
        """Start the worker if it has threads and does not run yet; if the database is busy, the next poll retries."""
        if self._threads and self._worker is None and self._drain_thread is None:
            from jobdeck import ChildNotStarted, KindNotInChild, Worker  # imported late: the first paint does not need them

            worker = Worker(self.queue, threads=self._threads)
            try:
                worker.start()
            except (ChildNotStarted, KindNotInChild):
                self._threads = 0  # it would fail and be reported each second
                raise
            self._worker = worker

    def _safely(self, task: Task) -> None:
        """Call `task`; report a failure on the screen and keep the thread alive."""
        try:
            task()
        except StoreReplaced as error:
            self._on_replaced()
            if task != self._poll:
                self._post(ActionFinished(f"{error} Nothing was done.", failed=True))
        except StoreError as error:
            if task != self._poll:
                self._post(ActionFinished(str(error), failed=True))
                return
            self._polled_at = time.monotonic()
            text = shorten_error(str(error), self.queue.where)
            if self._last_error != text:
                self._last_error = text
                # An unreachable server may come back; offer a new database only if the old one no longer exists.
                lost = isinstance(error, StoreMissing) and not isinstance(error, StoreUnreachable) and not self.queue.is_remote
                self._post(DatabaseUnavailable(text, lost=lost))
        except JobdeckError as error:
            self._post(ActionFinished(str(error), failed=True))
        except Exception as error:
            self._polled_at = time.monotonic()
            logger.exception("The feed failed; it continues")
            self._post(
                ActionFinished(known_problem(error) or f"A bug in jobdeck: {type(error).__name__}: {error}", failed=True)
            )

    def _on_replaced(self) -> None:
        """Discard all data of the previous database; keep the view and the polled query."""
        self._is_new = True
        self._pages.forget()
        self._overview = self._page = None
        self._invalidate()
        self._post(DatabaseReplaced())

    def _poll(self) -> None:
        """Read what is due and post it as snapshots."""
        due = self._overview is None or time.monotonic() >= self._polled_at + EVERY
        if not (due or self._poll_requested):
            return
        self._poll_requested = False
        if due:
            self._start_worker()
        view = self._pages.view
        if due or self._overview is None or self._overview_of != (view.seconds, view.slices):
            # A view that was only scrolled or filtered reuses the overview, which makes the answer faster.
            self._overview_of = (view.seconds, view.slices)
            self._overview = self.queue.overview(seconds=view.seconds, slices=max(4, view.slices))
            self._polled_at = time.monotonic()
        if self._polled_query is None or self._page is None:
            self._page = self._pages.read()
        pool = LocalWorker(self._threads, self._worker.id if self._worker else None, error=self.worker_error)
        self._post(Snapshot(DashboardSnapshot(self._overview, self._page, pool)))
        if (notice := self.queue.notice) != self._notice:
            self._notice = notice
            if notice is not None:
                self._post(ActionFinished(notice, failed=True))
        if self._polled_query is not None and time.monotonic() >= self._read_at:
            start = time.monotonic()
            self._post(QueryResult(self._polled_query, self._polled_query.read(self.queue)))
            took = time.monotonic() - start
            # Slightly less than the interval, so that a query of every poll does not miss each second one.
            self._read_at = start + max(self._polled_query.interval - EVERY / 10, _PATIENCE * took)
        if self._following is not None:
            self._following.poll(self.queue)
            self._post(DetailSnapshot(self._following.follow))
        if self._is_new:
            total = sum(self._overview.counts.values())
            self._post(
                ActionFinished(f"The database was replaced; the new one has {total:,} job{'s' * (total != 1)}", failed=True)
            )
        if self._last_error is not None:
            self._last_error = None
            self._post(DatabaseUnavailable(None))
            if not self._is_new:
                self._post(ActionFinished("The database is readable again"))
        self._is_new = False

    def _report(self, text: str, *, failed: bool = False, job_id: int | None = None) -> None:
        self._invalidate()
        self._post(ActionFinished(text, failed=failed, job_id=job_id))


def _nothing() -> None:
    """Do nothing; stands for a timeout of the inbox."""
