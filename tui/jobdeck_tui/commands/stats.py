"""`jobdeck stats`."""

from __future__ import annotations

import click

from jobdeck import Latency, Overview, QueueInfo, State

from ..format import COLOURS, duration, limits_text, number
from ..text import safe
from .documents import iso, latency_document, limits_document
from .front import Front, Verb
from .moments import DURATION
from .output import MISSING, columns, dim, print_fields, print_json, state_text
from .table import Cell, Column, cell, print_table

_SLOTS = 60


@click.command(
    "stats",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck stats
  jobdeck stats --over 1h
  jobdeck stats --json | jq .counts.failed
""",
)
@click.option("--over", type=DURATION, default="10m", show_default=True, metavar="DURATION", help="The time that is measured.")
@click.pass_obj
def stats_command(front: Front, over: float) -> None:
    """Counts by state and queue, throughput, and percentiles of waiting and run times."""
    if not 10 <= over <= 30 * 86400:
        raise click.UsageError("--over takes 10s to 30d")
    with front.open() as queue:
        overview = queue.overview(seconds=over, slots=_SLOTS)
    if front.json:
        print_json(_document(overview))
    else:
        _print(overview, over)


def _totals(overview: Overview) -> tuple[float, int, int]:
    """Seconds measured, jobs completed and attempts failed in them."""
    first, last = overview.slots[0], overview.slots[-1]
    seconds = max(1.0, min(overview.at, last.at + last.seconds) - first.at)
    return seconds, sum(slot.completed for slot in overview.slots), sum(slot.failed for slot in overview.slots)


def _document(overview: Overview) -> dict[str, object]:
    seconds, completed, failed = _totals(overview)
    return {
        "at": iso(overview.at),
        "counts": {str(state): overview.counts.get(state, 0) for state in State},
        "seconds": round(seconds, 3),
        "completed": completed,
        "failed_attempts": failed,
        "throughput": round(completed / seconds, 6),
        "run": latency_document(overview.run),
        "wait": latency_document(overview.wait),
        "next_due_at": iso(overview.next_due_at),
        "workers": sum(worker.alive for worker in overview.workers),
        "queues": [_queue_document(queue) for queue in overview.queues],
    }


def _queue_document(queue: QueueInfo) -> dict[str, object]:
    return {
        "queue": queue.name,
        "paused": queue.paused,
        "paused_at": iso(queue.paused_at),
        "limits": limits_document(queue.limits),
        "counts": {str(state): queue.counts.get(state, 0) for state in State},
    }


def _print(overview: Overview, over: float) -> None:
    seconds, completed, failed = _totals(overview)
    alive = [worker for worker in overview.workers if worker.alive]
    busy = sum(worker.running for worker in alive)
    threads = sum(worker.threads for worker in alive)
    print_fields(
        [
            ("throughput", f"{completed / seconds:.1f} jobs/s  {dim(f'{completed:,} completed in {duration(over)}')}"),
            ("failures", f"{failed:,} of {completed + failed:,} attempts"),
            ("run time", _percentiles(overview.run)),
            ("waiting", _percentiles(overview.wait)),
            ("workers", f"{len(alive)} alive, {busy} of {threads} threads busy"),
        ]
    )
    click.echo()
    heads = [Column("QUEUE", least=10), *(Column(state.upper(), right=True) for state in State), Column("")]
    rows = []
    for queue in overview.queues:
        counts = [_count(queue.counts.get(state, 0), state) for state in State]
        rows.append([cell(queue.name), *counts, cell(_held(queue), "yellow")])
    total = [_count(overview.counts.get(state, 0), state) for state in State]
    rows.append([cell("all", dim=True), *total, cell("")])
    size = columns()
    if size is not None and size < 110:
        _print_narrow(overview)
    else:
        print_table(heads, rows, fit=size)


def _held(queue: QueueInfo) -> str:
    """What holds a queue back: a pause, its limits."""
    return ", ".join(part for part in ("paused" if queue.paused else "", limits_text(queue.limits)) if part)


def _count(n: int, state: State) -> Cell:
    return cell(number(n), COLOURS[state] if n else None, dim=not n)


def _percentiles(latency: Latency) -> str:
    if not latency.count:
        return MISSING
    named = (("p50", latency.p50), ("p95", latency.p95), ("p99", latency.p99))
    return "  ".join(f"{dim(name)} {duration(value or 0.0)}" for name, value in named)


def _print_narrow(overview: Overview) -> None:
    """One line a state and the queues below: eight columns of counts do not fit a narrow terminal."""
    shown = [state for state in State if overview.counts.get(state, 0)]
    for state in shown:
        click.echo(f"{click.style(f'{state_text(state):<12}', fg=COLOURS[state])} {overview.counts[state]:>12,}")
    if overview.queues:
        click.echo()
    for queue in overview.queues:
        counts = ", ".join(f"{n:,} {state}" for state in State if (n := queue.counts.get(state, 0)))
        click.echo(f"{safe(queue.name)}{click.style(f' {held}', fg='yellow') if (held := _held(queue)) else ''}  {dim(counts)}")
