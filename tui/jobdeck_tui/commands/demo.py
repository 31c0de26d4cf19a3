"""`jobdeck demo`."""

from __future__ import annotations

import click

from .common import Front, Verb


@click.command(
    "demo",
    cls=Verb,
    json=False,
    epilog="""\b
Examples:
  jobdeck demo
  jobdeck --threads 8 demo
""",
)
@click.pass_obj
def demo_command(front: Front) -> None:
    """Open the cockpit on a throwaway queue with a lively workload.

    Several kinds and queues, some jobs slow, some flaky, some doomed. Nothing of it is kept.
    """
    from .cockpit import open_cockpit

    open_cockpit(front, demo=True)
