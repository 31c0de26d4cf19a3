"""`jobdeck logs`."""

from __future__ import annotations

import time
from collections.abc import Iterable

import click

from jobdeck import FINAL, LogLine, Queue

from ..text.sanitize import safe
from .common import Front, Verb
from .completers import complete_jobs
from .output import dim, on_terminal, print_json, say_if_nobody_works

_ALL = 2**31
_EVERY = 0.1
_COLOURS = {"err": "red", "warning": "yellow", "error": "red", "critical": "red"}


@click.command(
    "logs",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck logs 42
  jobdeck logs 42 -f               follow until the job is done
  jobdeck logs 42 --attempt 1      of its first attempt only
  jobdeck logs 42 --json | jq -r 'select(.level == "err").text'
""",
)
@click.argument("job_id", metavar="ID", type=click.IntRange(1, 2**63 - 1), shell_complete=complete_jobs())
@click.option("-f", "--follow", "following", is_flag=True, help="Go on until the job is done.")
@click.option("--attempt", type=click.IntRange(1), metavar="N", help="Of one attempt only.")
@click.pass_obj
def logs_command(front: Front, job_id: int, following: bool, attempt: int | None) -> None:
    """Print what a job wrote: a command's output, or what its code logged.

    Each attempt keeps its newest 8 MB.
    """
    with front.open(must_exist=True) as queue:
        if following:
            if queue.get(job_id).state not in FINAL:
                say_if_nobody_works(queue, f"Job {job_id}")
            follow(front, queue, job_id, attempt=attempt)
        else:
            Printer(front.json).print(queue.logs(job_id, attempt=attempt, limit=_ALL))


class Printer:
    """Prints log lines, and on a terminal says where another attempt begins."""

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
            click.echo(_shown(line))


def _shown(line: LogLine) -> str:
    text = safe(line.text, multiline=True)
    if line.level not in ("out", "err"):
        clock = time.strftime("%H:%M:%S", time.localtime(line.at))
        text = f"{clock} {safe(line.level):<8} {text}"
    colour = _COLOURS.get(line.level)
    return click.style(text, fg=colour) if colour else text


def follow(front: Front, queue: Queue, job_id: int, *, attempt: int | None = None, quiet: bool = False) -> None:
    """Print the log as it comes, until the job is final."""
    printer = Printer(front.json)
    while True:
        # In this order: what a final job wrote is in the store before it is final.
        done = queue.get(job_id).state in FINAL
        if not quiet:
            printer.print(queue.logs(job_id, attempt=attempt, after=printer.newest, limit=_ALL))
        if done:
            return
        time.sleep(_EVERY)
