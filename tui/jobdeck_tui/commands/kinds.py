"""`jobdeck kinds`."""

from __future__ import annotations

import json

import click

from jobdeck import Kind, Parameter

from ..format import duration
from ..text import safe
from .documents import kind_document
from .front import Front, Verb
from .output import dim, on_terminal, print_json


@click.command(
    "kinds",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck --app tasks kinds
  jobdeck kinds mail.send
  JOBDECK_APP=tasks,shop.jobs jobdeck kinds --json | jq -r .kind
""",
)
@click.argument("names", metavar="[KIND]...", nargs=-1)
@click.pass_obj
def kinds_command(front: Front, names: tuple[str, ...]) -> None:
    """List the kinds that can be enqueued, with their arguments, types and defaults.

    Kinds come from the modules named by --app or JOBDECK_APP; `shell` is always there.
    """
    from jobdeck import REGISTRY

    front.load_kinds()
    for index, name in enumerate(names or REGISTRY.kinds):
        kind = REGISTRY.get(name).describe()
        if front.json:
            print_json(kind_document(kind))
        else:
            if index:
                click.echo()
            _print(kind)
    if not front.json and not names and not front.settings.app and on_terminal():
        click.echo(dim("\n--app or JOBDECK_APP names the modules that define kinds of your own."))


def _print(kind: Kind) -> None:
    policy = [f"queue {safe(kind.queue)}"]
    if kind.priority:
        policy.append(f"priority {kind.priority}")
    if kind.max_attempts is not None:
        policy.append(f"{kind.max_attempts} attempts")
    if kind.timeout:
        policy.append(f"timeout {duration(kind.timeout)}")
    if kind.isolate:
        policy.append("isolated")
    click.echo(f"{click.style(safe(kind.name), bold=True)}  {dim(', '.join(policy))}")
    if kind.doc:
        click.echo(f"  {safe(kind.doc)}")
    size = max((len(each.name) for each in kind.parameters), default=0)
    for each in kind.parameters:
        click.echo(f"  {safe(each.name):<{size}}  {_described(each)}".rstrip())


def _described(parameter: Parameter) -> str:
    parts = [safe(parameter.type)]
    if not parameter.required:
        parts.append(dim(f"= {safe(json.dumps(parameter.default, ensure_ascii=False, default=str))}"))
    if parameter.doc:
        parts.append(dim(safe(parameter.doc)))
    return "  ".join(parts)
