"""`jobdeck token`: manage the tokens of the HTTP API."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..text.format import age
from .common import CliContext, Subcommand
from .json_documents import iso
from .output import on_terminal, print_json
from .table import OutputColumn, cell, print_table

if TYPE_CHECKING:
    from jobdeck import TokenFile

_FILE = click.option("--tokens", "token_file", metavar="FILE", help="File with the tokens (default: in your data folder).")


@click.group(
    "token",
    epilog="""\b
Examples:
  jobdeck token add web --scope read,enqueue
  jobdeck token list
  jobdeck token remove web
""",
)
def token_command() -> None:
    """Manage the tokens of the HTTP API.

    Only a hash of each token is stored, in a file that only you can read.
    """


@token_command.command(
    "add",
    cls=Subcommand,
    epilog="""\b
Scopes:
  read      read jobs, queues, workers, logs and events
  enqueue   enqueue jobs of every kind but shell
  operate   cancel, retry, edit, delete, pause, limit, schedule, drain, undo
  shell     also use the kind shell, which runs any command

\b
Examples:
  jobdeck token add web --scope read,enqueue
  jobdeck token add ann --scope read,enqueue,operate,shell
""",
)
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, metavar="A,B", help="What it allows: read,enqueue,operate,shell."
)
@_FILE
@click.pass_obj
def add_command(front: CliContext, name: str, scopes: tuple[str, ...], token_file: str | None) -> None:
    """Add a token and print it, this once."""
    chosen = [scope.strip() for each in scopes for scope in each.split(",") if scope.strip()]
    secret = open_tokens(token_file).add(name.strip(), chosen)
    if front.json:
        print_json({"name": name.strip(), "scopes": chosen, "token": secret})
    else:
        click.echo(secret)


@token_command.command("list", cls=Subcommand)
@_FILE
@click.pass_obj
def list_command(front: CliContext, token_file: str | None) -> None:
    """List the tokens and their scopes."""
    from jobdeck import Scope

    tokens = open_tokens(token_file).tokens()
    scopes = {token.name: [str(scope) for scope in Scope if scope in token.scopes] for token in tokens}
    if front.json:
        for token in tokens:
            print_json({"name": token.name, "scopes": scopes[token.name], "created_at": iso(token.created_at)})
    elif tokens:
        now = time.time()
        heads = (OutputColumn("NAME"), OutputColumn("AGE", right=True), OutputColumn("SCOPES"))
        print_table(heads, [[cell(t.name), cell(age(now - t.created_at)), cell(",".join(scopes[t.name]))] for t in tokens])
    elif on_terminal():
        click.echo("No tokens; `jobdeck token add NAME --scope read` adds one.")


@token_command.command("remove", cls=Subcommand)
@click.argument("name")
@_FILE
@click.pass_obj
def remove_command(front: CliContext, name: str, token_file: str | None) -> None:
    """Remove a token. A running server refuses it immediately."""
    open_tokens(token_file).remove(name.strip())
    if front.json:
        print_json({"name": name.strip(), "removed": True})
    else:
        click.echo(f"Removed token {name.strip()}.")


def open_tokens(path: str | None) -> TokenFile:
    """Return the token file at the path, by default the one in the user's data folder."""
    from jobdeck import TokenFile, default_token_file

    return TokenFile(default_token_file() if path is None else Path(path).expanduser())
