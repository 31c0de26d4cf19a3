"""`jobdeck worker`: run a headless worker."""

from __future__ import annotations

import logging
import queue
import sys
from io import TextIOWrapper

import click

from ..terminal.last_resort import exit_now
from .common import CliContext, Subcommand
from .completers import complete_queues
from .known_queues import queue_is_new
from .log_output import log_to_stderr
from .output import count_of
from .param_types import DURATION, HEALTH_ADDRESS, WholeNumber
from .shutdown import StopSignals, start_service, stop_service, wait_for_signal

logger = logging.getLogger("jobdeck.worker")


@click.command(
    "worker",
    cls=Subcommand,
    needs_database=True,
    json=False,
    epilog="""\b
Examples:
  jobdeck worker                                   run shell jobs only
  JOBDECK_APP=tasks jobdeck worker --threads 8
  JOBDECK_APP=tasks jobdeck worker --processes 4 --threads 2
  jobdeck worker --queues mail,default --grace 60
  JOBDECK_LOG_FORMAT=json jobdeck worker 2>> worker.log
  jobdeck worker --health-port 0.0.0.0:8766        for the probes of a container
""",
)
@click.option(
    "--threads", type=WholeNumber(1, 1000), metavar="N", help="Number of worker threads (default 4).  [env: JOBDECK_THREADS]"
)
@click.option(
    "--processes",
    type=WholeNumber(0, 256),
    metavar="N",
    help="Run handlers in N child processes, to use several cores (default 0: none).  [env: JOBDECK_PROCESSES]",
)
@click.option(
    "--queues",
    metavar="A,B",
    shell_complete=complete_queues,
    help="Serve these queues only (default: all).  [env: JOBDECK_QUEUES]",
)
@click.option(
    "--grace",
    type=DURATION,
    metavar="DURATION",
    help="Time for running jobs to finish after SIGTERM, SIGINT or SIGHUP (default 25s).  [env: JOBDECK_SHUTDOWN_GRACE]",
)
@click.option(
    "--health-port",
    type=HEALTH_ADDRESS,
    metavar="[HOST:]PORT",
    help="Answer probes at /healthz, /readyz and /health; on this machine only without HOST.",
)
@click.option("--health-file", metavar="PATH", help="Touch this file every 5 s while the worker can run jobs.")
@click.pass_obj
def worker_command(
    front: CliContext,
    threads: int | None,
    processes: int | None,
    queues: str | None,
    grace: float | None,
    health_port: tuple[str, int] | None,
    health_file: str | None,
) -> None:
    """Run a headless worker until SIGTERM, SIGINT or SIGHUP.

    On the first signal, the worker claims no more jobs, lets running jobs finish within --grace, and releases the
    rest. On the second, it releases all jobs and stops at once. Either way no job is left running, and it exits 0,
    unless the database does not answer: then it exits in time all the same, and its jobs are rescued later.

    If the database is locked, full, read-only or missing, the worker logs this once and then every minute, claims
    nothing, and continues when the database is available again. If the database is replaced by another one, the
    worker switches to it: code still running for the old database may run until its lease expires, and its result
    is discarded.

    With --processes, --threads is the number of threads per process, and a handler that crashes its process
    affects only the jobs of that process.
    """
    front.refuse_if_readonly()
    from jobdeck import SWITCH_INTERVAL, CrashGuard, HealthFile, HealthServer, Worker

    sys.setswitchinterval(SWITCH_INTERVAL)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a child that a handler forks must not print the buffered text once more
    settings = front.settings
    log_to_stderr(settings.log_level, settings.log_format)
    served = None if queues is None else tuple(name.strip() for name in queues.split(",") if name.strip())
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()
    guard = CrashGuard()
    with front.open() as opened:
        guard.start()
        front.load_kinds()
        worker = Worker(
            opened,
            threads=threads or front.threads or max(1, settings.threads),
            queues=served,
            processes=processes,
            own_process=True,
        )
        grace = settings.shutdown_grace if grace is None else grace
        only = settings.queues if served is None else served
        mistyped = [sentence for name in only if (sentence := queue_is_new(opened, name, only_if_similar=True))]
        probed: list[HealthServer | HealthFile] = []
        if health_port is not None:
            probed.append(HealthServer(opened, worker, health_port[1], host=health_port[0]))
        if health_file is not None:
            probed.append(HealthFile(opened, worker, health_file))
        start_service(worker, StopSignals(signals, grace))
        for each in probed:
            each.start()
            if isinstance(each, HealthServer):
                logger.info("Probes are answered at %s", each.url)
        capacity = count_of(worker.threads, "thread")
        if worker.processes:
            capacity += f" in {worker.processes} {'process' if worker.processes == 1 else 'processes'}"
        if only:
            capacity += f", for {'queue' if len(only) == 1 else 'queues'} {', '.join(only)} only"
        logger.info("Worker %s started on %s with %s", worker.id, opened.where, capacity)
        for sentence in mistyped:
            logger.warning("%s", sentence)
        if not settings.app:
            logger.warning(
                "This worker serves shell jobs only; to serve other kinds, name their modules with --app or JOBDECK_APP"
            )
        clean = stop_service(worker, wait_for_signal(signals, worker), signals, grace)
        for each in probed:
            each.stop()
        logger.info("Worker %s stopped", worker.id)
        if not clean:
            # Code that did not stop still runs on threads of this process and would keep it from exiting; a database that
            # does not answer would keep its connections from being closed. What that code has started is killed by the guard.
            exit_now(0)
    guard.close()
