"""`jobdeck stats`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from jobdeck import Attempt, Latency, Metrics, Overview, QueueInfo, QueueStats, State, TimeSlice, forecast

from ..text.format import COLORS, busy_text, duration, limits_text, number
from ..text.kind_history import KindHistory, compare, own_run
from ..text.sanitize import safe
from ..text.worker_slots import busy_jobs
from .common import CliContext, Subcommand
from .completers import complete_kinds, complete_queues
from .json_documents import iso, latency_document, limits_document
from .output import MISSING, columns, dim, print_fields, print_json, state_text
from .param_types import DURATION
from .queues import forecast_document
from .table import OutputCell, OutputColumn, cell, print_table

_SLOTS = 60

_GROUPS = (
    OutputColumn("PER SECOND", right=True),
    OutputColumn("COMPLETED", right=True),
    OutputColumn("FAILED", right=True),
    OutputColumn("RETRIED", right=True, drop=5),
    OutputColumn("FAILING", right=True, drop=4),
    OutputColumn("RUN P50", right=True, drop=3),
    OutputColumn("P95", right=True, drop=2),
    OutputColumn("P99", right=True),
    OutputColumn("WAIT P50", right=True, drop=6),
    OutputColumn("P95", right=True, drop=1),
    OutputColumn("P99", right=True, drop=7),
)


@click.command(
    "stats",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck stats
  jobdeck stats --range 1h
  jobdeck stats --range 7d --by kind
  jobdeck stats --range 24h --queue mail --by kind
  jobdeck stats --json | jq .counts.failed
""",
)
@click.option(
    "--range",
    "--over",
    "over",
    type=DURATION,
    default="10m",
    show_default=True,
    metavar="DURATION",
    help="Time range to measure, 10s to 90d.",
)
@click.option("--by", type=click.Choice(["kind", "queue"]), help="Show rates and percentiles per kind or queue.")
@click.option("--queue", metavar="NAME", shell_complete=complete_queues, help="Measure jobs of this queue only.")
@click.option("--kind", metavar="NAME", shell_complete=complete_kinds, help="Measure jobs of this kind only.")
@click.pass_obj
def stats_command(front: CliContext, over: float, by: str | None, queue: str | None, kind: str | None) -> None:
    """Show counts by state and queue, throughput, failures, and percentiles of wait and run times.

    Wait time is the time from due to started. Counts by state always include all jobs. --json adds the range
    in time slices.
    """
    if not 10 <= over <= 90 * 86400:
        raise click.UsageError("--range must be 10s to 90d")
    with front.read() as opened:
        overview = opened.overview(seconds=60, slices=1)
        metrics = opened.history.metrics(seconds=over, slices=_SLOTS, queue=queue, kind=kind, by=by)
        stats = opened.queue_stats() if front.json else ()
    if front.json:
        print_json(_document(overview, metrics, stats, by))
    else:
        _print(overview, metrics, over, by)


# -- for scripts ----------------------------------------------------------------------------------


def _document(overview: Overview, metrics: Metrics, stats: Sequence[QueueStats], by: str | None) -> dict[str, object]:
    document = {
        "at": iso(overview.at),
        "counts": {str(state): overview.counts.get(state, 0) for state in State},
        **_slot_document(metrics.total),
        "pending": metrics.pending,
        "oldest_wait": metrics.oldest_wait,
        "next_due_at": iso(overview.next_due_at),
        "workers": sum(worker.alive for worker in overview.workers),
        "queues": [_queue_document(each) for each in stats],
    }
    if by is not None:
        document["by"] = [
            {by: name, **_slot_document(slot), "completed_by_slice": list(metrics.completed[name])}
            for name, slot in metrics.groups.items()
        ]
    document["slices"] = [{"at": iso(slot.at), **_slot_document(slot)} for slot in metrics.slices]
    return document


def _slot_document(slot: TimeSlice) -> dict[str, object]:
    return {
        "seconds": round(slot.seconds, 3),
        "started": slot.started,
        "completed": slot.completed,
        "failed_attempts": slot.failed,
        "retried": slot.retried,
        "crashed": slot.crashed,
        "cancelled": slot.cancelled,
        "snoozed": slot.snoozed,
        "released": slot.released,
        "throughput": round(slot.throughput, 6),
        "failure_rate": slot.failure_rate,
        "run": latency_document(slot.run),
        "wait": latency_document(slot.wait),
        "depth": slot.depth,
        "oldest_wait": slot.oldest_wait,
    }


def history_document(history: KindHistory, attempts: Sequence[Attempt], now: float) -> dict[str, object]:
    """Return the recent runs of a kind in time slices, and how the newest run of a job compares with them."""
    total, slots = history.total, history.metrics.slices
    return {
        "kind": history.kind,
        **_slot_document(total),
        "newest_run": compare(own_run(attempts[-1], now), total.run) or None if attempts else None,
        "slices": [{"at": iso(slot.at), **_slot_document(slot)} for slot in slots],
    }


def _queue_document(stats: QueueStats) -> dict[str, object]:
    queue = stats.info
    return {
        "queue": queue.name,
        "paused": queue.paused,
        "paused_at": iso(queue.paused_at),
        "limits": limits_document(queue.limits),
        "counts": {str(state): queue.counts.get(state, 0) for state in State},
        "oldest_wait": stats.oldest_wait,
        "forecast": forecast_document(forecast(stats)),
    }


# -- for people -----------------------------------------------------------------------------------


def _print(overview: Overview, metrics: Metrics, over: float, by: str | None) -> None:
    total = metrics.total
    alive = [worker for worker in overview.workers if worker.alive]
    busy = sum(busy_jobs(worker, overview) for worker in alive)
    threads = sum(worker.threads for worker in alive)
    how_busy = f"{busy} of {threads} threads busy" if busy <= threads else busy_text(busy, threads)
    completed = f"{total.completed:,} completed, {total.started:,} started in {duration(over)}"
    print_fields(
        [
            ("throughput", f"{total.throughput:.1f} jobs/s  {dim(completed)}"),
            ("success", _success(total)),
            ("run time", _percentiles(total.run)),
            ("wait time", _percentiles(total.wait)),
            ("ready", _depth(metrics)),
            ("workers", f"{len(alive)} alive, {how_busy}"),
        ]
    )
    click.echo()
    size = columns()
    if by is not None:
        groups = [_group(name, slot) for name, slot in metrics.groups.items()]
        print_table((OutputColumn(by.upper(), least=14), *_GROUPS), groups, fit=size)
        return
    heads: tuple[OutputColumn, ...] = (
        OutputColumn("QUEUE", least=10),
        *(OutputColumn(state.upper(), right=True) for state in State),
        OutputColumn(""),
    )
    rows = []
    for queue in overview.queues:
        counts = [_count(queue.counts.get(state, 0), state) for state in State]
        rows.append([cell(queue.name), *counts, cell(_restrictions(queue), "yellow")])
    total_row = [_count(overview.counts.get(state, 0), state) for state in State]
    rows.append([cell("all", dim=True), *total_row, cell("")])
    if size is not None and size < 110:
        _print_narrow(overview)
    else:
        print_table(heads, rows, fit=size)


def _success(total: TimeSlice) -> str:
    if total.failure_rate is None:
        return MISSING
    ended = total.completed + total.failed
    text = f"{1 - total.failure_rate:.1%} of {ended:,} attempts"
    parts = [f"{total.failed:,} failed"]
    parts += [f"{n:,} {name}" for name, n in (("retried", total.retried), ("crashed", total.crashed)) if n]
    return f"{text}  {dim(', '.join(parts))}" if total.failed else text


def _depth(metrics: Metrics) -> str:
    text = f"{metrics.pending:,} pending"
    if metrics.oldest_wait is not None:
        text += f", oldest waiting {duration(metrics.oldest_wait)}"
    if metrics.total.depth:
        text += "  " + dim(f"peak {metrics.total.depth:,}, longest wait {duration(metrics.total.oldest_wait or 0.0)}")
    return text


def _group(name: str, slot: TimeSlice) -> list[OutputCell]:
    failing = MISSING if slot.failure_rate is None else f"{slot.failure_rate:.1%}"
    latencies = (slot.run.p50, slot.run.p95, slot.run.p99, slot.wait.p50, slot.wait.p95, slot.wait.p99)
    return [
        cell(name),
        cell(f"{slot.throughput:.1f}"),
        _count(slot.completed, State.COMPLETED),
        _count(slot.failed, State.FAILED),
        _count(slot.retried, State.RETRYING),
        cell(failing, dim=not slot.failed),
        *(cell(MISSING if each is None else duration(each)) for each in latencies),
    ]


def _restrictions(queue: QueueInfo) -> str:
    """Describe what restricts a queue: a pause, its limits."""
    return ", ".join(part for part in ("paused" if queue.paused else "", limits_text(queue.limits)) if part)


def _count(n: int, state: State) -> OutputCell:
    return cell(number(n), COLORS[state] if n else None, dim=not n)


def _percentiles(latency: Latency) -> str:
    if not latency.count:
        return MISSING
    named = (("p50", latency.p50), ("p95", latency.p95), ("p99", latency.p99))
    return "  ".join(f"{dim(name)} {duration(value or 0.0)}" for name, value in named)


def _print_narrow(overview: Overview) -> None:
    """Print one line per state, then the queues: eight columns of counts do not fit a narrow terminal."""
    shown = [state for state in State if overview.counts.get(state, 0)]
    for state in shown:
        click.echo(f"{click.style(f'{state_text(state):<12}', fg=COLORS[state])} {overview.counts[state]:>12,}")
    if overview.queues:
        click.echo()
    for queue in overview.queues:
        counts = ", ".join(f"{n:,} {state}" for state in State if (n := queue.counts.get(state, 0)))
        note = _restrictions(queue)
        click.echo(f"{safe(queue.name)}{click.style(f' {note}', fg='yellow') if note else ''}  {dim(counts)}")
