"""`jobdeck kinds`."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from jobdeck import Kind, Parameter

from ..text.format import duration, span
from ..text.sanitize import safe
from .common import CliContext, Subcommand
from .completers import complete_kinds
from .json_documents import kind_document
from .output import count_of, dim, on_terminal, print_json


@click.command(
    "kinds",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck --app tasks kinds
  jobdeck kinds mail.send
  JOBDECK_APP=tasks,shop.jobs jobdeck kinds --json | jq -r .kind
""",
)
@click.argument("names", metavar="[KIND]...", nargs=-1, shell_complete=complete_kinds)
@click.pass_obj
def kinds_command(front: CliContext, names: tuple[str, ...]) -> None:
    """List job kinds with their policy, arguments, types and defaults.

    Kinds come from the modules named by --app or JOBDECK_APP; `shell` is built in.
    """
    kinds, attempts = _read(front, names)
    for index, kind in enumerate(kinds):
        if front.json:
            print_json(kind_document(kind))
        else:
            if index:
                click.echo()
            _print(kind, kind.max_attempts or attempts)
    if not front.json and not names and not front.settings.app and not front.is_remote and on_terminal():
        click.echo(dim("\nTo list your own kinds, name their modules with --app or JOBDECK_APP."))


def _read(front: CliContext, names: Sequence[str]) -> tuple[list[Kind], int]:
    """Return the kinds, and the attempts of those that set no number; reads no database."""
    from jobdeck import REGISTRY

    if front.is_remote:
        with front.read() as queue:
            return [*map(queue.kinds.get, names)] if names else [*queue.kinds.list()], queue.settings.max_attempts
    front.load_kinds()
    return [REGISTRY.get(name).describe() for name in names or REGISTRY.kinds], front.settings.max_attempts


def _print(kind: Kind, attempts: int) -> None:
    policy = [f"queue {safe(kind.queue)}"]
    if kind.priority:
        policy.append(f"priority {kind.priority}")
    policy.append(count_of(attempts, "attempt"))
    if kind.timeout:
        policy.append(f"timeout {duration(kind.timeout)}")
    if kind.isolate:
        policy.append("isolated")
    if kind.concurrency is not None:
        policy.append(f"{kind.concurrency:,} at once")
    click.echo(f"{click.style(safe(kind.name), bold=True)}  {dim(', '.join(policy))}")
    if kind.doc:
        click.echo(f"  {safe(kind.doc)}")
    if attempts > 1:
        click.echo(f"  {dim(safe(_describe_retries(kind)))}")
    size = max((len(each.name) for each in kind.parameters), default=0)
    for each in kind.parameters:
        click.echo(f"  {safe(each.name):<{size}}  {_describe(each)}".rstrip())


def _describe_retries(kind: Kind) -> str:
    """Describe which failures are retried, and when."""
    which = "Retried" if kind.retry_on is None else f"Retried on {', '.join(kind.retry_on) or 'nothing'} only"
    never = f", never on {', '.join(kind.give_up_on)}" if kind.give_up_on else ""
    if kind.backoff is None:
        return f"{which}{never}; delays come from the kind's own function."
    first, cap = map(span, kind.backoff)
    return f"{which}{never}; delays of up to {first}, doubling up to {cap}."


def _describe(parameter: Parameter) -> str:
    parts = [safe(parameter.type)]
    if not parameter.required:
        parts.append(dim(f"= {safe(json.dumps(parameter.default, ensure_ascii=False, default=str))}"))
    if parameter.doc:
        parts.append(dim(safe(parameter.doc)))
    return "  ".join(parts)
