"""Runs bulk actions in steps on a separate thread, while the feed keeps polling."""

from __future__ import annotations

import logging
import queue as queues
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from textual.message import Message

from jobdeck import JobdeckError, Queue, UndoResult

from .job_actions import STEP, ActionPreview, ActionResult, JobAction, Selection, preview_action, undo_text
from .messages import ActionFinished, ActionProgress, Reply

logger = logging.getLogger("jobdeck.bulk_actions")

TELL_EVERY = 0.1
"""Seconds between two progress messages."""
_POLL = 0.25
"""Seconds between two queries for the progress of an undo."""


class BulkActionRunner:
    """Runs one bulk action at a time. Every method returns immediately."""

    def __init__(self, queue: Queue, post: Callable[[Message], Any], changed: Callable[[], None]) -> None:
        """Create the runner; its thread starts with the first task.

        Args:
            queue: the queue to change.
            post: called with messages on the progress and the result.
            changed: called when jobs have changed.
        """
        self._queue = queue
        self._post = post
        self._changed = changed
        self._tasks: queues.SimpleQueue[Callable[[], None] | None] = queues.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._ended = False
        self.doing = ""
        """The current action, such as `retrying 51,402 jobs`; empty while idle."""

    def preview(self, action: JobAction, selection: Selection, answer: Callable[[ActionPreview], None]) -> None:
        """Compute what an action would do, and call `answer` with the preview on the event loop."""
        self._put(lambda: self._post(Reply(answer, preview_action(self._queue, action, selection))))

    def run_action(self, action: JobAction, ids: Sequence[int]) -> None:
        """Apply the action to the jobs, in steps that form one journal entry."""
        self._start(f"{action.progress_text} {len(ids):,} jobs", lambda: self._run_action(action, ids))

    def undo_or_redo(self, entry_id: int, n: int, *, redo: bool) -> None:
        """Undo or redo a journal entry that concerns `n` jobs."""
        self._start(
            f"{'redoing' if redo else 'undoing'} an action on {n:,} jobs", lambda: self._undo_or_redo(entry_id, n, redo=redo)
        )

    def stop(self) -> bool:
        """Stop the current action after its current step; return `False` if there is none."""
        if self.doing:
            self._stop.set()
        return bool(self.doing)

    def end(self) -> None:
        """Stop the current action and end the thread."""
        self._ended = True
        self._stop.set()
        self._tasks.put(None)
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    def _start(self, doing: str, action: Callable[[], None]) -> None:
        if self.doing:
            self._post(ActionFinished(busy_text(self.doing), failed=True))
            return
        self.doing = doing
        self._stop.clear()

        def task() -> None:
            try:
                action()
            finally:
                self.doing = ""
                self._post(ActionProgress(""))
                self._changed()

        self._put(task)

    def _put(self, task: Callable[[], None]) -> None:
        self._tasks.put(task)
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="jobdeck-bulk-actions", daemon=True)
            self._thread.start()

    def _loop(self) -> None:
        while (task := self._tasks.get()) is not None and not self._ended:
            try:
                task()
            except JobdeckError as error:
                self._post(ActionFinished(str(error), failed=True))
            except Exception as error:
                logger.exception("A bulk action failed; the cockpit continues")
                self._post(ActionFinished(f"A bug in jobdeck: {type(error).__name__}: {error}", failed=True))

    def _run_action(self, action: JobAction, ids: Sequence[int]) -> None:
        outcome, total, report_at = ActionResult(action), len(ids), 0.0
        stopped = problem = ""
        for start in range(0, total, STEP):
            if self._stop.is_set():
                stopped = f"Stopped after {start:,} of {total:,} jobs. "
                break
            try:
                outcome.add(self._queue, action.apply(self._queue, ids[start : start + STEP], outcome.entry))
            except JobdeckError as error:
                problem = f". Failed after {start:,} of {total:,} jobs: {error}"
                break
            if time.monotonic() >= report_at:
                report_at = time.monotonic() + TELL_EVERY
                self._post(ActionProgress(action.progress_text, outcome.done, outcome.refused, total))
        text, failed = outcome.to_text(self._queue)
        self._post(ActionFinished(f"{stopped}{text}{problem}", failed=failed or bool(stopped or problem)))

    def _undo_or_redo(self, entry_id: int, n: int, *, redo: bool) -> None:
        ended = threading.Event()
        watch = threading.Thread(target=self._watch, args=(entry_id, n, redo, ended), name="jobdeck-undoing", daemon=True)
        watch.start()
        try:
            undone: UndoResult = self._queue.journal.redo(entry_id) if redo else self._queue.journal.undo(entry_id)
        finally:
            ended.set()
            watch.join(timeout=2.0)
        text, failed = undo_text(undone, "Redone" if redo else "Undone")
        self._post(ActionFinished(text, failed=failed))

    def _watch(self, entry_id: int, n: int, redo: bool, ended: threading.Event) -> None:
        """Report the progress of an undo: the journal counts each part."""
        while not ended.wait(_POLL):
            try:
                undone = next((each.undone for each in self._queue.journal.entries(limit=1000) if each.id == entry_id), 0)
            except JobdeckError:
                continue
            done = max(0, n - undone) if redo else undone
            self._post(ActionProgress("redoing" if redo else "undoing", done, 0, n, stoppable=False))


def busy_text(doing: str) -> str:
    """Return why another bulk action, or an undo, has to wait."""
    return f"Still {doing}; wait until it finishes, or press esc to stop it"
