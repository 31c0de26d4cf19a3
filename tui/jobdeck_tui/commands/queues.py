"""`jobdeck queues`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from jobdeck import Backlog, Forecast, Outlook, State, forecast

from ..text.format import age, forecast_text, limits_text, number, rough_pace
from .common import Front, Verb
from .json_documents import Document, iso, latency_document, limits_document
from .output import MISSING, columns, on_terminal, print_json
from .table import Column, cell, print_table

_COLORS = {
    Outlook.STILL: "red",
    Outlook.GROWING: "yellow",
    Outlook.PAUSED: "yellow",
    Outlook.DRAINING: "cyan",
    Outlook.KEEPS_UP: "green",
}


@click.command(
    "queues",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck queues
  jobdeck queues --json | jq -r 'select(.forecast.trend == "growing") | .queue'
""",
)
@click.pass_obj
def queues_command(front: Front) -> None:
    """List queues with their depth, oldest wait, limits, and a forecast of when they will be empty.

    The forecast is based on the pace of the last minutes. DONE is the completion rate of the last five minutes.
    """
    with front.open(must_exist=True) as queue:
        found = queue.queue_stats()
    if front.json:
        for each in found:
            print_json(backlog_document(each))
    elif found:
        _print(found)
    elif on_terminal():
        click.echo("No queues yet; a queue is created by its first job.")


def backlog_document(backlog: Backlog) -> Document:
    """Return the depth, waits, rates and forecast of a queue."""
    info, total = backlog.info, backlog.total
    return {
        "queue": info.name,
        "paused": info.paused,
        "paused_at": iso(info.paused_at),
        "limits": limits_document(info.limits),
        "counts": {str(state): info.counts.get(state, 0) for state in State},
        "oldest_wait": backlog.oldest,
        "forecast": forecast_document(forecast(backlog)),
        "threads": backlog.threads,
        "workers": [worker.id for worker in backlog.served_by],
        "kinds": {kind: {str(state): n for state, n in counts.items()} for kind, counts in backlog.kinds.items()},
        "unserved": dict(backlog.unserved),
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
        "trend": str(estimate.outlook),
        "empty_in": None if estimate.empty_in is None else round(estimate.empty_in, 3),
        "growth": None if estimate.growth is None else round(estimate.growth, 6),
        "reason": estimate.why or None,
    }


def _print(found: Sequence[Backlog]) -> None:
    heads = (
        Column("QUEUE", least=10),
        Column("READY", right=True),
        Column("LATER", right=True, drop=3),
        Column("WAITING", right=True, drop=4),
        Column("OLDEST", right=True, drop=2),
        Column("RUNNING", right=True),
        Column("DONE", right=True, drop=1),
        Column("FORECAST", least=12),
        Column("LIMITS", least=12, drop=5),
    )
    rows = []
    for each in found:
        counts = each.info.counts
        estimate = forecast(each)
        later = counts.get(State.SCHEDULED, 0) + counts.get(State.RETRYING, 0)
        waiting = counts.get(State.WAITING, 0)
        capacity = f"/{each.room:,}" if each.room else ""
        rows.append(
            [
                cell(each.info.name),
                cell(number(each.info.pending), dim=not each.info.pending),
                cell(number(later), dim=not later),
                cell(number(waiting), dim=not waiting),
                cell(MISSING if each.oldest is None else age(each.oldest)),
                cell(f"{each.running:,}{capacity}", dim=not each.running),
                cell(rough_pace(each.total.throughput) if each.total.completed else MISSING),
                cell(forecast_text(estimate), _COLORS.get(estimate.outlook), dim=estimate.outlook is Outlook.EMPTY),
                cell(limits_text(each.info.limits), dim=True),
            ]
        )
    print_table(heads, rows, fit=columns())
