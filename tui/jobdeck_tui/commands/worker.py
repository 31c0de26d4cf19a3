"""`jobdeck worker`: works jobs off without a screen."""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import click

from ..text.sanitize import safe, safe_json
from .common import Front, Verb
from .completers import complete_queues
from .json_documents import iso
from .output import count_of
from .param_types import DURATION

if TYPE_CHECKING:
    from jobdeck import Worker

logger = logging.getLogger("jobdeck.worker")
_ECHO = 0.05
"""Seconds in which further signals count as the same request."""
_LOOK_UP = 0.1
"""Seconds."""
_STOPPED = 0
"""Among the signals: every job has ended or was put back."""


@click.command(
    "worker",
    cls=Verb,
    json=False,
    epilog="""\b
Examples:
  jobdeck worker                                   shell jobs only
  JOBDECK_APP=tasks jobdeck worker --threads 8
  JOBDECK_APP=tasks jobdeck worker --processes 4 --threads 2
  jobdeck worker --queues mail,default --grace 60
  JOBDECK_LOG_FORMAT=json jobdeck worker 2>> worker.log
""",
)
@click.option("--threads", type=click.IntRange(1, 1000), metavar="N", help="How many jobs run at once.  [env: JOBDECK_THREADS]")
@click.option(
    "--processes",
    type=click.IntRange(0, 256),
    metavar="N",
    help="Run handlers in N child processes, each with its own threads: more than one core.  [env: JOBDECK_PROCESSES]",
)
@click.option("--queues", metavar="A,B", shell_complete=complete_queues, help="Serve these queues only.  [env: JOBDECK_QUEUES]")
@click.option(
    "--grace",
    type=DURATION,
    metavar="DURATION",
    help="How long running jobs may go on after SIGTERM or SIGINT.  [env: JOBDECK_SHUTDOWN_GRACE]",
)
@click.pass_obj
def worker_command(front: Front, threads: int | None, processes: int | None, queues: str | None, grace: float | None) -> None:
    """Work jobs off until SIGTERM or SIGINT, without a screen.

    On the first signal nothing more is claimed; running jobs get the grace to finish, and what does not is
    put back. On the second signal it ends at once. Either way nothing is left running, and it exits with 0.

    While the database is locked, full, read-only or gone, it says so once and then each minute, claims
    nothing, and goes on by itself when it works again. Where another database is put in its place it works
    on that: code that still runs for the old one is let run, for as long as its lease, and its result is dropped.

    With --processes a handler that crashes its process takes only the jobs of that process with it, and --threads
    is how many jobs each of them runs at once.
    """
    front.refuse_if_readonly()
    from jobdeck import SWITCH_INTERVAL, Worker

    sys.setswitchinterval(SWITCH_INTERVAL)
    settings = front.settings
    log_to_stderr(settings.log_level, settings.log_format)
    served = None if queues is None else tuple(name.strip() for name in queues.split(",") if name.strip())
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()
    with front.open() as opened:
        front.load_kinds()
        worker = Worker(
            opened, threads=threads or front.threads or max(1, settings.threads), queues=served, processes=processes
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _frame: signals.put(received))
        worker.start()
        hands = count_of(worker.threads, "thread")
        if worker.processes:
            hands += f" in {worker.processes} {'process' if worker.processes == 1 else 'processes'}"
        logger.info("Worker %s works on %s with %s", worker.id, opened.where, hands)
        if not settings.app:
            logger.warning("It serves shell jobs only; --app or JOBDECK_APP names the modules that define other kinds")
        clean = _stop(worker, _next(signals, worker), signals, settings.shutdown_grace if grace is None else grace)
        logger.info("Worker %s has stopped", worker.id)
    if not clean:
        # Code that did not stop still runs on threads of this process, and would keep it from ending.
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _next(signals: queue.SimpleQueue[int], worker: Worker) -> signal.Signals:
    """Wait for the request to end, and claim nothing more from that moment on.

    Some programs signal both a process and its group: that is one request.
    """
    received = _get(signals)
    worker.drain()
    time.sleep(_ECHO)
    while not signals.empty():
        signals.get()
    return signal.Signals(received)


def _get(signals: queue.SimpleQueue[int]) -> int:
    """What comes next.

    Looks up now and then: the system may hand a signal to any thread of the process, and Python calls its handler on this
    one, which must not be fast asleep then.
    """
    while True:
        try:
            return signals.get(timeout=_LOOK_UP)
        except queue.Empty:
            continue


def _stop(worker: Worker, first: signal.Signals, signals: queue.SimpleQueue[int], grace: float) -> bool:
    """Drain for as long as the grace lasts, or until another signal comes; returns whether all code has stopped."""
    logger.info("%s: claiming nothing more, %s left", first.name, count_of(worker.running))
    results: list[bool] = []

    def drain() -> None:
        results.append(worker.stop(grace))
        signals.put(_STOPPED)

    threading.Thread(target=drain, name="jobdeck-drain", daemon=True).start()
    if _get(signals) == _STOPPED:
        return results[0]
    logger.warning("Second signal: ending at once, %s put back", count_of(worker.running))
    return worker.stop(grace=0)


def log_to_stderr(level: str, how: str) -> None:
    """Log to standard error from now on, as text or as one JSON document a line."""
    handler = logging.StreamHandler()
    handler.setLevel(level)
    handler.setFormatter(JsonFormatter() if how == "json" else TextFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level)


class TextFormatter(logging.Formatter):
    """`2026-01-31 12:03:04 INFO jobdeck.worker: …`, safe to print: handlers log what they like."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        text = f"{at} {record.levelname:<7} {record.name}: {record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return safe(text, multiline=True)


class JsonFormatter(logging.Formatter):
    """One JSON document a line."""

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "at": iso(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            document["error"] = self.formatException(record.exc_info)
        return safe_json(json.dumps(document, ensure_ascii=False))
