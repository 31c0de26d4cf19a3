"""`jobdeck run --each`: one command for each line of standard input."""

from __future__ import annotations

import sys
import time
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import click

from jobdeck import (
    FINAL,
    InvalidArguments,
    Job,
    JobdeckError,
    JobOptions,
    JobRequest,
    NewJob,
    Queue,
    State,
    UniqueKeyConflict,
    record,
)

from ..text.placeholders import fill, fill_command, has_placeholder
from .common import CliContext, CommandError, absolute_folder, print_error
from .line_input import read_chunks
from .output import count_of, on_terminal, print_json, warn_if_no_worker

_EVERY = 0.05
"""Seconds between two polls of jobs that are waited for."""
_POLLED = 1000
"""The number of jobs that are polled at once, the oldest ones."""


@record
class EachOptions:
    """The options that turn lines into jobs."""

    separator: bytes
    batch: str | None
    """The name of the batch that all jobs are in; `None` for none."""
    wait: bool


def run_each(
    front: CliContext, command: Sequence[str], args: Mapping[str, Any], options: Mapping[str, Any], each: EachOptions
) -> int:
    """Enqueue a command for each line, as the lines arrive, in transactions of up to 1,000; return the exit code.

    Args:
        front: the context of the command line.
        command: the command, with placeholders.
        args: the other arguments of each command.
        options: the options of each job.
        each: how the lines become jobs.
    """
    unique = options.get("unique")
    if unique is not None and not has_placeholder(unique):
        raise click.UsageError("--unique needs a placeholder with --each, such as --unique 'gzip {}'")
    if sys.stdin.isatty():
        print_error("Reading lines from the terminal; ctrl+d ends them.")
    with front.open_to_enqueue() as queue:
        found = _Enqueued(front, queue, each)
        try:
            for chunk in read_chunks(each.separator):
                found.enqueue(
                    _check(found, [(number, _request(command, args, options, number, line)) for number, line in chunk])
                )
        except KeyboardInterrupt:
            print_error(f"Interrupted; {count_of(len(found.ids))} enqueued.")
            return 130
        found.report()
        if not each.wait or not found.ids:
            return 0
        try:
            return _wait(front, queue, found.ids)
        except KeyboardInterrupt:
            print_error(f"{count_of(len(found.ids))} enqueued; those that have not finished continue.")
            return 130


class _Enqueued:
    """The jobs that were enqueued so far."""

    def __init__(self, front: CliContext, queue: Queue, each: EachOptions) -> None:
        self.front = front
        self.queue = queue
        self.ids = array("q")
        """The ids of the jobs, without those that only held a key."""
        self._each = each
        self._batch: int | None = None
        self._skipped = 0

    def enqueue(self, drafts: Sequence[NewJob]) -> None:
        """Enqueue a chunk in one transaction, and print its jobs."""
        from .enqueue import enqueue_and_classify

        try:
            if self._each.batch is not None:
                self._enqueue_into_batch(drafts)
                return
            arrivals = enqueue_and_classify(self.queue, drafts)
        except UniqueKeyConflict as error:
            raise CommandError(f"{str(error).rstrip('.')}; {count_of(len(self.ids))} enqueued before.") from None
        self._skipped += sum(not arrival.new for arrival in arrivals)
        new = [arrival.job for arrival in arrivals if arrival.new]
        self.ids.extend(job.id for job in new)
        if not self._each.wait:
            self._print(new)

    def _enqueue_into_batch(self, drafts: Sequence[NewJob]) -> None:
        before = self.queue.list(limit=1)
        batch = self.queue.batches.enqueue(drafts, name=self._each.batch or "", into=self._batch)
        self._batch = batch.id
        after = before[0].id if before else 0
        ids = self.queue.ids(f"batch:{batch.id} id>{after}", descending=False)
        self._skipped += len(drafts) - len(ids)
        self.ids.extend(ids)

    def _print(self, jobs: Sequence[Job]) -> None:
        if self.front.json:
            from .json_documents import job_document

            for job in jobs:
                print_json(job_document(job))
        elif not on_terminal():
            click.echo("".join(f"{job.id}\n" for job in jobs), nl=False)

    def report(self) -> None:
        """Print what was enqueued in all."""
        if self._skipped:
            taken = f"{count_of(self._skipped)} not enqueued: unique key already taken"
            print_error(f"{taken}; {count_of(len(self.ids))} enqueued.")
        if not self.ids:
            if not self._skipped:
                print_error("No lines, so no jobs were enqueued.")
        elif self._batch is not None and not self._each.wait:
            self._print_batch(self._batch)
        elif on_terminal() and not self.front.json and not self._each.wait:
            click.echo(f"Enqueued {count_of(len(self.ids))} ({self.ids[0]} to {self.ids[-1]}).")

    def _print_batch(self, batch_id: int) -> None:
        if self.front.json:
            from .json_documents import batch_document

            print_json(batch_document(self.queue.batches.get(batch_id)))
        elif on_terminal():
            hint = f"wait for it with `jobdeck batch {batch_id} --wait`"
            click.echo(f"Enqueued {count_of(len(self.ids))} as batch {batch_id}; {hint}.")
        else:
            click.echo(batch_id)


def _request(command: Sequence[str], args: Mapping[str, Any], options: Mapping[str, Any], number: int, line: str) -> JobRequest:
    folder = args["cwd"]
    if has_placeholder(folder):
        folder = absolute_folder(fill(folder, line, number))
    own = {**args, "command": fill_command(command, line, number, shell=args.get("shell") is True), "cwd": folder}
    unique = options.get("unique")
    given = options if unique is None else {**options, "unique": fill(unique, line, number)}
    return "shell", own, JobOptions(**given)  # type: ignore[typeddict-item]  # click has checked their types


def _check(found: _Enqueued, read: Sequence[tuple[int, JobRequest]]) -> Sequence[NewJob]:
    try:
        return found.queue.new_jobs(request for _, request in read)
    except JobdeckError:
        for number, (kind, args, options) in read:
            try:
                found.queue.new_job(kind, args, **options)
            except JobdeckError as error:
                problem = str(error).rstrip(".")
                if isinstance(error, InvalidArguments):
                    problem = f"argument {error.field!r} {error.problem}"
                raise CommandError(f"Line {number:,}: {problem}; {count_of(len(found.ids))} enqueued before.") from None
        raise


def _wait(front: CliContext, queue: Queue, ids: Sequence[int]) -> int:
    """Print the output of each job once it has finished; return 0 if all have completed, otherwise 1."""
    from .progress import ProgressMeter

    warn_if_no_worker(queue, f"Job {ids[0]}")
    remaining, failed = [*ids], False
    with ProgressMeter("Commands:", unit=" finished") as meter:
        while remaining:
            meter(len(ids) - len(remaining), len(ids))
            polled = remaining[:_POLLED]
            found = {job.id: job for job in queue.get_many(polled)}
            ended = sorted((job for job in found.values() if job.state in FINAL), key=lambda job: job.finished_at or 0.0)
            for job in ended:
                failed |= job.state is not State.COMPLETED
                _print_finished(front, queue, job)
            missing = [job_id for job_id in polled if job_id not in found]
            for job_id in missing:
                failed = True
                print_error(f"Job {job_id} was deleted.")
            gone = {job.id for job in ended} | {*missing}
            remaining = [job_id for job_id in remaining if job_id not in gone]
            if not gone:
                time.sleep(_EVERY)
    return 1 if failed else 0


def _print_finished(front: CliContext, queue: Queue, job: Job) -> None:
    if front.json:
        from .json_documents import full_document

        print_json(full_document(queue, job))
        return
    from ..text.sanitize import safe
    from .logs import Printer

    if job.attempt:
        printer = Printer(json=False, apart=True)
        printer.print(queue.logs(job.id, attempt=job.attempt, limit=2**31))
        printer.end()
    if job.state is not State.COMPLETED:
        reason = "was cancelled" if job.state is State.CANCELLED else f"failed: {safe((job.error or '').rstrip('.'))}"
        print_error(f"Job {job.id} {reason}.")
