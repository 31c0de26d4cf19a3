"""`jobdeck backup`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from ..text.format import duration
from ..text.sanitize import safe
from .common import Front, Verb
from .output import count_of, print_json
from .progress import Meter


@click.command(
    "backup",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck backup jobs-backup.db
  jobdeck backup --force /mnt/backup/jobs.db
  jobdeck --db jobs-backup.db list         look into it
""",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace a file of this name.")
@click.pass_obj
def backup_command(front: Front, file: Path, force: bool) -> None:
    """Write a copy of the queue, as it is at this moment, to FILE, while workers and others go on.

    FILE appears at the end, whole and checked, or not at all. To go back to it, end every program that uses
    the queue, and put FILE in the place of the database and its -wal and -shm. Jobs that were running when it
    was made run again.
    """
    with front.open(must_exist=True) as queue, Meter("Copying", unit=" pages") as meter:
        began = time.monotonic()
        made = queue.maintenance.backup(file, force=force, progress=meter)
        took = time.monotonic() - began
    if front.json:
        print_json({"path": str(made.path), "bytes": made.size, "jobs": made.jobs, "seconds": round(took, 3)})
    else:
        size = f"{made.size / 1e6:,.1f} MB"
        click.echo(f"Wrote {count_of(made.jobs)}, {size}, to {safe(str(made.path))} in {duration(took)}; the copy is sound.")
