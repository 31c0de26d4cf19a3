"""`jobdeck logs`."""

from __future__ import annotations

import time
from collections.abc import Iterable

import click

from jobdeck import FINAL, LogLine, Queue

from ..text.sanitize import safe
from .common import CliContext, Subcommand
from .completers import complete_jobs
from .output import dim, on_terminal, print_json, warn_if_no_worker
from .param_types import JOB_ID, WholeNumber

_ALL = 2**31
_EVERY = 0.1
_COLORS = {"err": "red", "warning": "yellow", "error": "red", "critical": "red"}


@click.command(
    "logs",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck logs 42
  jobdeck logs 42 -f               follow until the job finishes
  jobdeck logs 42 --attempt 1      print the log of its first attempt
  jobdeck logs 42 --json | jq -r 'select(.level == "err").text'
""",
)
@click.argument("job_id", metavar="ID", type=JOB_ID, shell_complete=complete_jobs())
@click.option("-f", "--follow", "following", is_flag=True, help="Follow the log until the job finishes.")
@click.option("--attempt", type=WholeNumber(1), metavar="N", help="Print the log of this attempt only (default: all).")
@click.pass_obj
def logs_command(front: CliContext, job_id: int, following: bool, attempt: int | None) -> None:
    """Print a job's log: the output of its command, or what its code logged.

    The newest 8 MB of each attempt are kept.
    """
    with front.read() as queue:
        if following:
            if queue.get(job_id).state not in FINAL:
                warn_if_no_worker(queue, f"Job {job_id}")
            follow(front, queue, job_id, attempt=attempt)
        else:
            Printer(front.json).print(queue.logs(job_id, attempt=attempt, limit=_ALL))


class Printer:
    """Print log lines; on a terminal, with a heading before each further attempt."""

    def __init__(self, json: bool) -> None:
        self._json = json
        self._attempt: int | None = None
        self.newest = 0

    def print(self, lines: Iterable[LogLine]) -> None:
        """Print the lines."""
        for line in lines:
            self.newest = line.id
            if self._json:
                from .json_documents import log_document

                print_json(log_document(line))
                continue
            if line.attempt != self._attempt:
                if on_terminal() and (self._attempt is not None or line.attempt > 1):
                    click.echo(dim(f"── attempt {line.attempt} ──"))
                self._attempt = line.attempt
            click.echo(_format(line))


def _format(line: LogLine) -> str:
    text = safe(line.text, multiline=True)
    if line.level not in ("out", "err"):
        clock = time.strftime("%H:%M:%S", time.localtime(line.at))
        text = f"{clock} {safe(line.level):<8} {text}"
    color = _COLORS.get(line.level)
    return click.style(text, fg=color) if color else text


def follow(front: CliContext, queue: Queue, job_id: int, *, attempt: int | None = None, quiet: bool = False) -> None:
    """Print the log as it grows, until the job is final."""
    printer = Printer(front.json)
    while True:
        # Check the state first: a final job has stored its whole log.
        done = queue.get(job_id).state in FINAL
        if not quiet:
            printer.print(queue.logs(job_id, attempt=attempt, after=printer.newest, limit=_ALL))
        if done:
            return
        time.sleep(_EVERY)
