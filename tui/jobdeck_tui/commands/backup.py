"""`jobdeck backup`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from ..text.format import duration
from ..text.sanitize import safe
from .common import CliContext, Subcommand
from .output import count_of, print_json
from .progress import ProgressMeter
from .standard_streams import complete_despite_output


@click.command(
    "backup",
    cls=Subcommand,
    needs_database=True,
    epilog="""\b
Examples:
  jobdeck backup jobs-backup.db
  jobdeck backup --force /mnt/backup/jobs.db
  jobdeck --db jobs-backup.db list         inspect the copy
""",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.pass_obj
def backup_command(front: CliContext, file: Path, force: bool) -> None:
    """Write a consistent copy of the queue to FILE while the queue stays in use.

    FILE appears only once it is complete and verified. To restore it, stop every program that uses the queue,
    delete the database with its -wal and -shm files, and move FILE into its place. Jobs that were running at
    the time of the copy run again.
    """
    complete_despite_output()
    with front.read() as queue, ProgressMeter("Copying", unit=" pages") as meter:
        started = time.monotonic()
        made = queue.maintenance.backup(file, force=force, progress=meter)
        took = time.monotonic() - started
    if front.json:
        print_json({"path": str(made.path), "bytes": made.size, "jobs": made.jobs, "took": round(took, 3)})
    else:
        size = f"{made.size / 1e6:,.1f} MB"
        click.echo(
            f"Wrote {count_of(made.jobs)}, {size}, to {safe(str(made.path))} in {duration(took)}; the copy passed all checks."
        )
