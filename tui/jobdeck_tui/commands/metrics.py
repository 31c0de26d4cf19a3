"""`jobdeck metrics`: print the metrics of the queue for Prometheus."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from .common import CliContext, CommandError, Subcommand


@click.command(
    "metrics",
    cls=Subcommand,
    json=False,
    epilog="""\b
Examples:
  jobdeck metrics
  jobdeck metrics --output /var/lib/node_exporter/jobdeck.prom
  jobdeck metrics --dashboard > jobdeck-dashboard.json
  jobdeck metrics --alerts > jobdeck-alerts.yml
""",
)
@click.option("--output", metavar="FILE", help="Replace this file at once, for a textfile collector.")
@click.option("--dashboard", "shown", flag_value="dashboard", help="Print a dashboard for Grafana instead.")
@click.option("--alerts", "shown", flag_value="alerts", help="Print alert rules for Prometheus instead.")
@click.pass_obj
def metrics_command(front: CliContext, output: str | None, shown: str | None) -> None:
    """Print the queue's metrics in Prometheus' text format.

    `jobdeck serve` serves the same at /metrics. The counters are those that the queue keeps, for all its workers
    together, so one file or one scraped server per queue is enough.

    It needs the extra `metrics`: pip install 'jobdeck[metrics]'.
    """
    from jobdeck import QueueCollector, read_alert_rules, read_dashboard

    if shown is not None:
        _write(output, (read_dashboard() if shown == "dashboard" else read_alert_rules()).encode())
        return
    with front.read() as queue:
        try:
            collector = QueueCollector(queue)
        except ImportError:
            problem = "jobdeck metrics needs prometheus_client; install it with: pip install 'jobdeck[metrics]'"
            raise CommandError(problem) from None
        text = collector.text()
    _write(output, text)


def _write(output: str | None, text: bytes) -> None:
    if output is None:
        click.echo(text, nl=False)
    else:
        _replace(Path(output).expanduser(), text)


def _replace(path: Path, text: bytes) -> None:
    """Replace a file at once, readable by everyone: the collector is another user's, and must never see half of it."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        written = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text)
            written.chmod(0o644)
            written.replace(path)
        except BaseException:
            written.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from None
