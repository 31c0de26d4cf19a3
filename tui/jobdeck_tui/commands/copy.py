"""`jobdeck copy`."""

from __future__ import annotations

import click

from ..text.format import duration
from ..text.sanitize import safe
from .common import CliContext, Subcommand
from .output import print_json
from .path_completers import complete_files
from .progress import ProgressMeter


@click.command(
    "copy",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck copy --from jobs.db --to postgresql://jobs@db.example.org/app --dry-run
  jobdeck copy --from jobs.db --to postgresql://jobs@db.example.org/app --drain
  jobdeck copy --from postgresql://jobs@db.example.org/app --to jobs.db
  jobdeck copy --from jobs.db --unmark     use the old database again
""",
)
@click.option(
    "--from", "source", metavar="DATABASE", shell_complete=complete_files, help="The queue to copy (default: that of --db)."
)
@click.option("--to", "target", metavar="DATABASE", shell_complete=complete_files, help="An empty database; created if needed.")
@click.option("--dry-run", is_flag=True, help="Count the rows and check both databases; change nothing.")
@click.option("--drain", is_flag=True, help="Let live workers finish their jobs first, instead of refusing.")
@click.option("--unmark", is_flag=True, help="Let the source of a copy be used again; the copy stays.")
@click.pass_obj
def copy_command(front: CliContext, source: str | None, target: str | None, dry_run: bool, drain: bool, unmark: bool) -> None:
    """Copy a queue to another database with all that it holds: jobs, attempts, logs, schedules, journal, metrics.

    From the start the source refuses all writes, and whoever opens it is told where the queue went. Run the same
    command again to finish a copy that was interrupted. The copy is checked row by row.
    """
    from jobdeck import DatabaseAddress, copy_queue, unmark_moved

    front.refuse_if_readonly()
    source = source or front.settings.database
    if unmark:
        if target is not None or dry_run or drain:
            raise click.UsageError("--unmark goes with --from alone")
        marked = unmark_moved(source, settings=front.settings)
        if front.json:
            print_json({"unmarked": marked})
        else:
            click.echo("The database can be used again." if marked else "The database was not marked.")
        return
    if target is None:
        raise click.UsageError("name the database to copy to with --to")
    with ProgressMeter("Copying", unit=" steps") as meter:
        copied = copy_queue(source, target, dry_run=dry_run, drain=drain, progress=meter, settings=front.settings)
    if front.json:
        print_json({"dry_run": dry_run, "rows": copied.rows, "took": round(copied.seconds, 3)})
        return
    n, jobs = sum(copied.rows.values()), copied.rows["jobdeck_jobs"]
    shown = safe(DatabaseAddress.parse(target).shown)
    if dry_run:
        click.echo(f"Would copy {n:,} rows, {jobs:,} of them jobs, to {shown}.")
    else:
        click.echo(
            f"Copied {n:,} rows, {jobs:,} of them jobs, to {shown} in {duration(copied.seconds)}; every table is equal. The"
            " source is marked as moved."
        )
