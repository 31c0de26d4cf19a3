"""`jobdeck serve`: serve the HTTP API."""

from __future__ import annotations

import logging
import queue
import signal
import sys
import threading
from typing import TYPE_CHECKING

import click

from ..terminal.last_resort import exit_now
from .common import CliContext, CommandError, Subcommand
from .log_output import log_to_stderr
from .param_types import DURATION, WholeNumber
from .shutdown import StopSignals, start_service, stop_service, wait_for_signal
from .token import open_tokens

if TYPE_CHECKING:
    from jobdeck import HttpServer, Worker

logger = logging.getLogger("jobdeck.http")


@click.command(
    "serve",
    cls=Subcommand,
    needs_database=True,
    json=False,
    epilog="""\b
Examples:
  jobdeck serve                                    on this machine only, without tokens
  JOBDECK_APP=tasks jobdeck serve --threads 4      also run the jobs
  jobdeck serve --uds /run/jobdeck.sock            for a proxy on this machine
  jobdeck token add web --scope read,enqueue
  jobdeck serve --host 0.0.0.0 --allow-host jobs.example.org
""",
)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option(
    "--port", type=WholeNumber(0, 65535), default=8765, show_default=True, metavar="N", help="Port; 0 picks a free one."
)
@click.option("--uds", metavar="PATH", help="Listen on a Unix socket instead, which only you can use.")
@click.option(
    "--allow-host", "hosts", multiple=True, metavar="NAME", help="Also accept requests for this host name; repeatable."
)
@click.option("--tokens", "token_file", metavar="FILE", help="File with the tokens (default: in your data folder).")
@click.option(
    "--threads", type=WholeNumber(0, 1000), default=0, show_default=True, metavar="N", help="Also run jobs, on N threads."
)
@click.option("--readonly", is_flag=True, help="Refuse all changes.")
@click.option(
    "--grace",
    type=DURATION,
    metavar="DURATION",
    help="Time for requests and jobs to finish after SIGTERM, SIGINT or SIGHUP (default 25s).  [env: JOBDECK_SHUTDOWN_GRACE]",
)
@click.pass_obj
def serve_command(
    front: CliContext,
    host: str,
    port: int,
    uds: str | None,
    hosts: tuple[str, ...],
    token_file: str | None,
    threads: int,
    readonly: bool,
    grace: float | None,
) -> int:
    """Serve the HTTP API until SIGTERM, SIGINT or SIGHUP.

    Without tokens the API is served to this machine only, and commands cannot be enqueued; `jobdeck token` adds tokens.
    The address /api/v1/docs describes it. On a signal, the server answers the requests that have arrived, ends streams,
    and stops; jobs that run in it finish within --grace, or are released.

    It needs the extra `http`: pip install 'jobdeck[http]'.
    """
    front.readonly = front.readonly or readonly
    if front.readonly and threads:
        raise click.UsageError("--readonly refuses changes, and --threads would make some; give one of them")
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise CommandError("jobdeck serve needs FastAPI and uvicorn; install them with: pip install 'jobdeck[http]'") from None
    from jobdeck import SWITCH_INTERVAL, CrashGuard, HttpServer, Worker

    settings = front.settings
    sys.setswitchinterval(SWITCH_INTERVAL)
    log_to_stderr(settings.log_level, settings.log_format)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # malformed requests are answered, and are no news
    grace = settings.shutdown_grace if grace is None else grace
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()
    guard = CrashGuard() if threads else None
    with front.open() as opened:
        if guard is not None:
            guard.start()
        front.load_kinds()
        server = HttpServer(
            opened, host=host, port=port, uds=uds, tokens=open_tokens(token_file), allowed_hosts=hosts, readonly=front.readonly
        )
        worker = Worker(opened, threads=threads, own_process=True) if threads else None
        service = ServerWithWorker(server, worker)
        start_service(service, StopSignals(signals, grace))
        click.echo(f"Serving the HTTP API on {server.url}", err=True)
        watch = threading.Thread(target=_report_end, args=(server, signals), name="jobdeck-http-end", daemon=True)
        watch.start()
        clean = stop_service(service, wait_for_signal(signals, service), signals, grace)
        failed = server.failed
        logger.info("The HTTP server stopped")
        if not clean:
            exit_now(1 if failed else 0)
    if guard is not None:
        guard.close()
    return 1 if failed else 0


def _report_end(server: HttpServer, signals: queue.SimpleQueue[int]) -> None:
    """Stop the process if the server has stopped by itself."""
    if not server.wait():
        signals.put(signal.SIGTERM)


class ServerWithWorker:
    """The server, and the worker that runs in its process, if any: both are drained at once."""

    def __init__(self, server: HttpServer, worker: Worker | None) -> None:
        self._server = server
        self._worker = worker

    @property
    def running(self) -> int:
        """The number of running jobs."""
        return 0 if self._worker is None else self._worker.running

    def start(self) -> None:
        """Start the worker, then the server."""
        if self._worker is not None:
            self._worker.start()
        self._server.start()

    def drain(self) -> None:
        """Claim no more jobs, and let clients learn that the server shuts down."""
        self._server.drain()
        if self._worker is not None:
            self._worker.drain()

    def stop(self, grace: float) -> bool:
        """Stop both within `grace` seconds; return whether all code has stopped."""
        if self._worker is None:
            return self._server.stop(grace)
        results: list[bool] = []
        serving = threading.Thread(target=lambda: results.append(self._server.stop(grace)), daemon=True)
        serving.start()
        clean = self._worker.stop(grace)
        serving.join(grace + 2)
        return clean and results == [True]
