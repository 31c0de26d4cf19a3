"""`jobdeck logs`."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence

import click

from jobdeck import FINAL, LogLine, Queue

from ..text.sanitize import safe
from .common import CliContext, Subcommand, print_error
from .completers import complete_jobs
from .output import dim, on_terminal, print_json, warn_if_no_worker
from .param_types import JOB_ID, WholeNumber

_ALL = 2**31
_NEARLY_FULL = 7 << 20
"""Bytes of an attempt's log from which on its oldest lines may have been dropped: at most 8 MB are kept, in whole entries."""
_EVERY = 0.1
_STREAMS = ("out", "err")
"""The levels of what commands write."""
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
            printer = Printer(front.json)
            lines = queue.logs(job_id, attempt=attempt, limit=_ALL)
            printer.print(lines)
            printer.end()
            if _may_have_lost_lines(lines):
                print_error("Only the newest 8 MB of a log are kept; this one may have been longer.")


def _may_have_lost_lines(lines: Sequence[LogLine]) -> bool:
    """Return whether the log of an attempt is so long that its oldest lines may have been dropped."""
    sizes: Counter[int] = Counter()
    for line in lines:
        sizes[line.attempt] += len(line.text.encode(errors="replace"))
    return any(size > _NEARLY_FULL for size in sizes.values())


class Printer:
    """Print log lines; on a terminal, with a heading before each further attempt."""

    def __init__(self, json: bool, *, apart: bool = False) -> None:
        """Create a printer.

        Args:
            json: whether to print one JSON document per line.
            apart: whether to print only the standard output of commands on standard output, and all else on standard error.
        """
        self._json = json
        self._apart = apart
        self._attempt: int | None = None
        self._exact = {err: apart and not stream.isatty() for err, stream in ((False, sys.stdout), (True, sys.stderr))}
        """By whether it is standard error: `True` if nothing interprets what commands write, which is passed on as it is."""
        self._open: dict[bool, str] = {}
        """The level of an unfinished line, by whether it was printed on standard error."""
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
                    self.end()
                    click.echo(dim(f"── attempt {line.attempt} ──"), err=self._apart)
                self._attempt = line.attempt
            self._print(line)
        for err, exact in self._exact.items():
            if exact:
                (sys.stderr if err else sys.stdout).buffer.flush()

    def _print(self, line: LogLine) -> None:
        err = self._apart and line.level != "out"
        before = self._open.pop(err, None)
        if before not in (None, line.level):
            click.echo(err=err)
        if self._exact[err] and line.level in _STREAMS:
            _write_exactly(line, err=err)
        else:
            click.echo(_format(line, continued=before == line.level), nl=not line.unfinished, err=err)
        if line.unfinished:
            self._open[err] = line.level

    def end(self) -> None:
        """End an unfinished line on a terminal, where the next output would continue it."""
        for err in self._open:
            if (sys.stderr if err else sys.stdout).isatty():
                click.echo(err=err)
        self._open.clear()


def _write_exactly(line: LogLine, *, err: bool) -> None:
    """Write the output of a command in UTF-8, in which it was read, whatever the locale."""
    stream = sys.stderr if err else sys.stdout
    stream.flush()  # what is still in its text layer
    stream.buffer.write(line.text.encode("utf-8", "backslashreplace") + (b"" if line.unfinished else b"\n"))


def _format(line: LogLine, *, continued: bool) -> str:
    text = safe(line.text, multiline=True)
    if line.level not in _STREAMS and not continued:
        clock = time.strftime("%H:%M:%S", time.localtime(line.at))
        text = f"{clock} {safe(line.level):<8} {text}"
    color = _COLORS.get(line.level)
    return click.style(text, fg=color) if color else text


def follow(
    front: CliContext, queue: Queue, job_id: int, *, attempt: int | None = None, quiet: bool = False, apart: bool = False
) -> None:
    """Print the log as it grows, until the job is final."""
    printer = Printer(front.json, apart=apart)
    complete = True
    while True:
        # Check the state first: a final job has stored its whole log.
        done = queue.get(job_id).state in FINAL
        lines: Sequence[LogLine] = ()
        if not quiet:
            # With the line printed last: if it is missing, newer ones may have been dropped with it.
            lines = queue.logs(job_id, attempt=attempt, after=max(0, printer.newest - 1), limit=_ALL)
            if printer.newest and lines:
                complete = complete and lines[0].id == printer.newest
                lines = lines[lines[0].id == printer.newest :]
            printer.print(lines)
        if done:
            break
        if not lines:
            time.sleep(_EVERY)
    printer.end()
    if not complete:
        print_error("Only the newest 8 MB of a log are kept: output that came before was not printed.")
