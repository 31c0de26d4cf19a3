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
  jobdeck demo --tour
  jobdeck demo --tour 90s
  jobdeck --threads 8 demo
  jobdeck --db postgresql://me@db.example.org/app demo --tour
""",
)
@click.option(
    "--tour",
    is_flag=False,
    flag_value="5m",
    type=click.Choice(["5m", "90s"]),
    help="Open the tour: five minutes, or the short one of ninety seconds.",
)
@click.pass_obj
def demo_command(front: CliContext, tour: str | None) -> None:
    """Open the cockpit on a throwaway queue with sample traffic.

    The traffic has several kinds and queues; some jobs are slow, some flaky, some always fail. B breaks something
    on purpose, and T opens the tour: a presentation whose steps run real experiments. The queue is deleted when the
    cockpit closes. With a PostgreSQL database as --db, the tour has a step on that server, in a scratch schema that it
    drops.
    """
    from .cockpit import open_cockpit

    open_cockpit(front, demo=True, tour=tour or "")
