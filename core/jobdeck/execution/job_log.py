"""The worker's log of its jobs: one line for the start and one for the end of each attempt, with the same fields throughout."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..clock import time
from ..logs import FieldsMessage, get_logger
from ..model.attempt_result import AttemptResult, Cancelled, Completed, Failed, Snoozed
from ..model.errors import LeaseLost
from ..model.jobs import Job, Outcome
from .context import current_context

LINES_PER_SECOND = 1000
"""The maximum number of lines per second about starts and completed jobs: more would slow the queue down."""
_ERROR_CHARACTERS = 200

logger = get_logger("jobdeck.worker.jobs")


def job_fields(job: Job) -> dict[str, Any]:
    """Return the fields by which every line about an attempt names it."""
    return {"job": job.id, "kind": job.kind, "attempt": job.attempt, "max_attempts": job.max_attempts}


def record_fields(record: logging.LogRecord) -> tuple[str, Mapping[str, Any]]:
    """Return the message of a log record without its fields, and the fields: those of the job that it is about.

    Call it on the thread that logs, as a formatter or filter of `logging` does. The fields are empty outside of jobs.
    """
    if isinstance(record.msg, FieldsMessage) and not record.args:
        return record.msg.text, record.msg.fields
    found = current_context.get()
    return record.getMessage(), {} if found is None else job_fields(found.job)


class JobLog:
    """Logs the starts and ends of attempts at INFO, at most `LINES_PER_SECOND` for those that end well."""

    def __init__(self) -> None:
        self.enabled = False
        self._second = 0
        self._left = 0  # lines in this second; counted without a lock, so that it may be a few off
        self._omitted = 0

    def refresh(self) -> None:
        """Notice a changed level of the logger, and a new second, in which more lines may follow; report omitted ones.

        Called with each turn of the claimer: several times a second under load, and otherwise every few seconds.
        """
        self.enabled = logger.isEnabledFor(logging.INFO)
        second = int(time.monotonic())
        if second != self._second:
            self._report_omitted()
            self._second, self._left = second, LINES_PER_SECOND

    def log_start(self, job: Job) -> None:
        """Log that the code of a job starts."""
        if not self.enabled:
            return
        if self._left <= 0:
            self._omitted += 1
        else:
            self._left -= 1
            _log("started", job_fields(job))

    def log_ends(self, results: Iterable[AttemptResult], late: Collection[int]) -> None:
        """Log results that were recorded; those of the jobs in `late` were not, because their leases were lost."""
        if not (self.enabled or late):
            return
        for result in results:
            if result.job.id in late:
                logger.warning(FieldsMessage(str(LeaseLost(result.job.id)), _end_fields(result) | {"late": True}))
            elif not self.enabled:
                continue
            elif self._left <= 0 and isinstance(result, Completed):
                self._omitted += 1
            else:
                self._left -= 1
                _log("finished", _end_fields(result))

    def _report_omitted(self) -> None:
        omitted, self._omitted = self._omitted, 0
        if omitted:
            logger.info(FieldsMessage("omitted lines about jobs that started or completed", {"lines": omitted}))


def _log(text: str, fields: dict[str, Any]) -> None:
    """Log at INFO as `logger.info` does, but without searching the stack for the caller, which is always this module."""
    if logger.isEnabledFor(logging.INFO):
        message = FieldsMessage(text, fields)
        logger.handle(logger.makeRecord(logger.name, logging.INFO, __file__, 0, message, (), None, "_log"))


def log_rescued(jobs: Iterable[Job]) -> None:
    """Log the end of attempts whose worker died or stalled, as the worker that rescued their jobs."""
    for job in jobs:
        fields = job_fields(job) | {"outcome": str(Outcome.CRASHED), "state": str(job.state)}
        logger.info(FieldsMessage("finished", fields | ({"worker": job.worker} if job.worker else {})))


def _end_fields(result: AttemptResult) -> dict[str, Any]:
    fields = job_fields(result.job)
    fields["outcome"] = str(_outcome(result))
    fields["took"] = round(max(0.0, result.finished_at - result.started_at), 6)
    if isinstance(result, Failed):
        if result.retry_at is not None:
            fields["retry_in"] = round(max(0.0, result.retry_at - result.finished_at), 3)
        elif result.reason is not None:
            fields["reason"] = str(result.reason)
        fields["error"] = _error(result)
    elif isinstance(result, Snoozed):
        fields["again_in"] = round(max(0.0, result.until - result.finished_at), 3)
    return fields


def _outcome(result: AttemptResult) -> Outcome:
    match result:
        case Completed():
            return Outcome.COMPLETED
        case Failed():
            return result.outcome
        case Snoozed():
            return Outcome.SNOOZED
        case Cancelled():
            return Outcome.CANCELLED
        case _:
            return Outcome.RELEASED


def _error(result: Failed) -> str:
    text = " ".join(result.error[: 2 * _ERROR_CHARACTERS].split())
    return text if len(text) <= _ERROR_CHARACTERS else text[: _ERROR_CHARACTERS - 1] + "…"
