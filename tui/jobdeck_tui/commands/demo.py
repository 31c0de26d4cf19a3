"""`jobdeck demo`."""

from __future__ import annotations

import click

from .common import CliContext, Subcommand


@click.command(
    "demo",
    cls=Subcommand,
    json=False,
    epilog="""\b
Examples:
  jobdeck demo
  jobdeck --threads 8 demo
""",
)
@click.pass_obj
def demo_command(front: CliContext) -> None:
    """Open the cockpit on a throwaway queue with sample traffic.

    The traffic has several kinds and queues; some jobs are slow, some flaky, some always fail. B breaks something
    on purpose. The queue is deleted when the cockpit closes.
    """
    from .cockpit import open_cockpit

    open_cockpit(front, demo=True)
