"""`jobdeck limit`."""

from __future__ import annotations

from typing import Any

import click

from jobdeck import Limits, Queue, QueueInfo

from ..text.format import limits_text
from ..text.sanitize import safe
from .common import Front, Verb
from .completers import complete_queues
from .json_documents import limits_document
from .output import on_terminal, print_fields, print_json


class RateType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """An option that takes a number of jobs and the time in which so many may start; its value is both, in seconds."""

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
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck limit                            the limits of all queues
  jobdeck limit mail                       those of one
  jobdeck limit mail --running 2           two at once, whoever runs them
  jobdeck limit mail --rate 100/1m         and no more than 100 starts in any minute
  jobdeck limit mail --none                neither
  jobdeck limit mail --none --running 4    four at once, and no rate any more
""",
)
@click.argument("queue_name", metavar="[QUEUE]", required=False, shell_complete=complete_queues)
@click.option("--running", type=int, metavar="N", help="How many of its jobs may run at once.")
@click.option("--rate", type=RateType(), metavar="N/PERIOD", help="How many may start in any such time: 100/1m, 5/s.")
@click.option("--none", is_flag=True, help="Drop its limits, but for those that are given with this.")
@click.pass_obj
def limit_command(
    front: Front, queue_name: str | None, running: int | None, rate: tuple[int, float] | None, none: bool
) -> None:
    """Limit what runs of a queue, in all processes together; without options show the limits.

    A limit that is not given stays as it is. Running jobs go on.
    """
    if running is None and rate is None and not none:
        with front.open(must_exist=True) as queue:
            _show(front, queue, queue_name)
        return
    if queue_name is None:
        raise click.UsageError("name the queue that shall be limited")
    with front.open(changes=True) as queue:
        with queue.transaction():
            kept = Limits() if none else _found(queue, queue_name).limits
            number, period = (kept.rate, kept.period) if rate is None else rate
            queue.limit(queue_name, running=kept.running if running is None else running, rate=number, period=period)
        _tell(front, _found(queue, queue_name))


def _found(queue: Queue, name: str) -> QueueInfo:
    nothing = QueueInfo(name=name, counts={})
    return next((each for each in queue.queues() if each.name == name), nothing)


def _show(front: Front, queue: Queue, name: str | None) -> None:
    if name is not None:
        _tell(front, _found(queue, name))
        return
    limited = [each for each in queue.queues() if each.limits != Limits()]
    if front.json:
        for each in limited:
            _tell(front, each)
    elif limited:
        print_fields((safe(each.name), limits_text(each.limits)) for each in limited)
    elif on_terminal():
        click.echo("No queue has a limit.")


def _tell(front: Front, queue: QueueInfo) -> None:
    if front.json:
        print_json({"queue": queue.name, "limits": limits_document(queue.limits)})
        return
    told = limits_text(queue.limits)
    click.echo(f"Queue {safe(queue.name)} {f'runs {told}' if told else 'has no limit'}.")
