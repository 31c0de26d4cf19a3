"""`jobdeck schema`: the version of the tables, and their migration."""

from __future__ import annotations

import click

from .common import CliContext, Subcommand
from .output import print_json
from .param_types import WholeNumber


@click.group(
    "schema",
    epilog="""\b
Examples:
  jobdeck schema version
  jobdeck schema sql > create.sql          for a database administrator to review and run
  jobdeck schema sql --from 2 | psql app
  jobdeck schema migrate
""",
)
def schema_command() -> None:
    """Show the version of the tables; print or run their migration.

    Opening a queue migrates it. These commands are for users who may not create tables, and for those who may.
    """


@schema_command.command("version", cls=Subcommand)
@click.pass_obj
def version_command(front: CliContext) -> int:
    """Print the schema version of the database. Exits 1 unless this jobdeck can use it as it is."""
    from jobdeck import schema_version

    found = schema_version(settings=front.settings)
    if front.json:
        print_json({"version": found.version, "newest": found.newest})
    elif found.version == 0:
        click.echo(f"No queue; this jobdeck creates schema {found.newest}.")
    else:
        click.echo(f"Schema {found.version}; this jobdeck uses {found.newest}.")
    return 0 if found.version == found.newest else 1


@schema_command.command("sql", cls=Subcommand, json=False)
@click.option(
    "--from", "since", type=WholeNumber(0), default=0, metavar="VERSION", help="Version of the database (default 0: no queue)."
)
@click.pass_obj
def sql_command(front: CliContext, since: int) -> None:
    """Print the SQL that creates or migrates the tables, in one transaction. Connects to nothing.

    --db says for which database: SQLite or PostgreSQL.
    """
    from jobdeck import schema_sql

    click.echo(schema_sql(settings=front.settings, since=since), nl=False)


@schema_command.command("migrate", cls=Subcommand)
@click.pass_obj
def migrate_command(front: CliContext) -> None:
    """Create the tables, or migrate them to the version that this jobdeck uses."""
    front.refuse_if_readonly()
    from jobdeck import migrate_schema

    before = migrate_schema(settings=front.settings)
    if front.json:
        print_json({"from": before.version, "to": before.newest})
    elif before.version == before.newest:
        click.echo(f"Schema {before.newest}: nothing to migrate.")
    else:
        click.echo(f"Migrated schema {before.version} to {before.newest}.")
