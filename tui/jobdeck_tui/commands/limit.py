"""`jobdeck limit`."""

from __future__ import annotations

from typing import Any

import click

from jobdeck import Limits, Queue, QueueInfo

from ..text.format import limits_text
from ..text.sanitize import safe
from .common import CliContext, Subcommand
from .completers import complete_queues
from .json_documents import limits_document
from .known_queues import queue_is_new, warn_if_new
from .output import on_terminal, print_fields, print_json


class RateType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Accept a rate such as 100/1m; the value is the number of starts and the period in seconds."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, float]:
        if isinstance(value, tuple):
            return value
        from ..text.limits import read_rate

        try:
            return read_rate(value)
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


@click.command(
    "limit",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck limit                            show the limits of all queues
  jobdeck limit mail                       show the limits of one queue
  jobdeck limit mail --running 2           run at most two jobs at once, across all workers
  jobdeck limit mail --rate 100/1m         also start at most 100 jobs in any minute
  jobdeck limit mail --none                remove both limits
  jobdeck limit mail --none --running 4    run at most four jobs at once, with no rate limit
""",
)
@click.argument("queue_name", metavar="[QUEUE]", required=False, shell_complete=complete_queues)
@click.option("--running", type=int, metavar="N", help="Maximum number of running jobs, 1 or more.")
@click.option(
    "--rate", type=RateType(), metavar="N/PERIOD", help="Maximum number of starts in any period: 100/1m, 5/s; period up to 31d."
)
@click.option("--none", is_flag=True, help="Remove all limits except those given here.")
@click.pass_obj
def limit_command(
    front: CliContext, queue_name: str | None, running: int | None, rate: tuple[int, float] | None, none: bool
) -> None:
    """Limit a queue's concurrency or start rate across all workers; without options, show the limits.

    Omitted limits are unchanged. Running jobs are not affected.
    """
    if running is None and rate is None and not none:
        with front.read() as queue:
            _show(front, queue, queue_name)
            warn_if_new("" if queue_name is None else queue_is_new(queue, queue_name))
        return
    if queue_name is None:
        raise click.UsageError("name the queue to limit")
    with front.open(changes=True) as queue:
        new = queue_is_new(queue, queue_name)
        number, period = (None, None) if rate is None else rate
        queue.limits.set(queue_name, running=running, rate=number, period=period, keep=not none)
        _print_limits(front, _find(queue, queue_name))
        warn_if_new(new)


def _find(queue: Queue, name: str) -> QueueInfo:
    nothing = QueueInfo(name=name, counts={})
    return next((each for each in queue.queues() if each.name == name), nothing)


def _show(front: CliContext, queue: Queue, name: str | None) -> None:
    if name is not None:
        _print_limits(front, _find(queue, name))
        return
    limited = [each for each in queue.queues() if each.limits != Limits()]
    if front.json:
        for each in limited:
            _print_limits(front, each)
    elif limited:
        print_fields((safe(each.name), limits_text(each.limits)) for each in limited)
    elif on_terminal():
        click.echo("No queue has limits.")


def _print_limits(front: CliContext, queue: QueueInfo) -> None:
    if front.json:
        print_json({"queue": queue.name, "limits": limits_document(queue.limits)})
        return
    text = limits_text(queue.limits)
    click.echo(f"Queue {safe(queue.name)}: {text or 'no limit'}.")
