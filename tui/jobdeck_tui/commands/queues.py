"""`jobdeck queues`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from jobdeck import Forecast, QueueStats, State, Trend, forecast

from ..text.format import age, forecast_text, limits_text, number, rough_rate
from .common import CliContext, Subcommand
from .json_documents import Document, iso, latency_document, limits_document
from .output import MISSING, columns, on_terminal, print_json
from .table import OutputColumn, cell, print_table

_COLORS = {
    Trend.STALLED: "red",
    Trend.GROWING: "yellow",
    Trend.PAUSED: "yellow",
    Trend.DRAINING: "cyan",
    Trend.KEEPS_UP: "green",
}


@click.command(
    "queues",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck queues
  jobdeck queues --json | jq -r 'select(.forecast.trend == "growing") | .queue'
""",
)
@click.pass_obj
def queues_command(front: CliContext) -> None:
    """List queues with their depth, oldest wait, limits, and a forecast of when they will be empty.

    The forecast is based on the pace of the last minutes. DONE is the completion rate of the last five minutes.
    """
    with front.read() as queue:
        found = queue.queue_stats()
    if front.json:
        for each in found:
            print_json(queue_document(each))
    elif found:
        _print(found)
    elif on_terminal():
        click.echo("No queues yet; a queue is created by its first job.")


def queue_document(stats: QueueStats) -> Document:
    """Return the depth, waits, rates and forecast of a queue."""
    info, total = stats.info, stats.total
    return {
        "queue": info.name,
        "paused": info.paused,
        "paused_at": iso(info.paused_at),
        "limits": limits_document(info.limits),
        "counts": {str(state): info.counts.get(state, 0) for state in State},
        "oldest_wait": stats.oldest_wait,
        "forecast": forecast_document(forecast(stats)),
        "threads": stats.threads,
        "workers": [worker.id for worker in stats.served_by],
        "kinds": {kind: {str(state): n for state, n in counts.items()} for kind, counts in stats.kinds.items()},
        "unserved": dict(stats.unserved),
        "seconds": round(total.seconds, 3),
        "started": total.started,
        "completed": total.completed,
        "failed_attempts": total.failed,
        "throughput": round(total.throughput, 6),
        "run": latency_document(total.run),
        "wait": latency_document(total.wait),
    }


def forecast_document(estimate: Forecast) -> Document:
    """Return when a queue will be empty; `growth` in jobs per second."""
    return {
        "trend": str(estimate.trend),
        "empty_in": None if estimate.empty_in is None else round(estimate.empty_in, 3),
        "growth": None if estimate.growth is None else round(estimate.growth, 6),
        "reason": estimate.reason or None,
    }


def _print(found: Sequence[QueueStats]) -> None:
    heads = (
        OutputColumn("QUEUE", least=10),
        OutputColumn("READY", right=True),
        OutputColumn("LATER", right=True, drop=3),
        OutputColumn("WAITING", right=True, drop=4),
        OutputColumn("OLDEST", right=True, drop=2),
        OutputColumn("RUNNING", right=True),
        OutputColumn("DONE", right=True, drop=1),
        OutputColumn("FORECAST", least=12),
        OutputColumn("LIMITS", least=12, drop=5),
    )
    rows = []
    for each in found:
        counts = each.info.counts
        estimate = forecast(each)
        later = counts.get(State.SCHEDULED, 0) + counts.get(State.RETRYING, 0)
        waiting = counts.get(State.WAITING, 0)
        capacity = f"/{each.capacity:,}" if each.capacity else ""
        rows.append(
            [
                cell(each.info.name),
                cell(number(each.info.pending), dim=not each.info.pending),
                cell(number(later), dim=not later),
                cell(number(waiting), dim=not waiting),
                cell(MISSING if each.oldest_wait is None else age(each.oldest_wait)),
                cell(f"{each.running:,}{capacity}", dim=not each.running),
                cell(rough_rate(each.total.throughput) if each.total.completed else MISSING),
                cell(forecast_text(estimate), _COLORS.get(estimate.trend), dim=estimate.trend is Trend.EMPTY),
                cell(limits_text(each.info.limits), dim=True),
            ]
        )
    print_table(heads, rows, fit=columns())
