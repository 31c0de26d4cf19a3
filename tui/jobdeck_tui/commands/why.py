"""`jobdeck why`."""

from __future__ import annotations

import click

from jobdeck import Explanation

from ..text.format import duration
from ..text.sanitize import safe
from .common import Front, Verb
from .completers import complete_jobs
from .json_documents import explanation_document
from .output import columns, dim, print_json, tick

_WAITING = ("pending", "scheduled", "retrying", "waiting", "running")


@click.command(
    "why",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck why 42
  jobdeck why 42 --json | jq '.checks[] | select(.holds | not)'
""",
)
@click.argument("job_id", metavar="ID", type=click.IntRange(1, 2**63 - 1), shell_complete=complete_jobs(*_WAITING))
@click.pass_obj
def why_command(front: Front, job_id: int) -> None:
    """Say why a job is not running, and when it may.

    Every condition of a claim is checked on the live job: whether it is due, what it waits for, pause and
    limits of its queue and kind, the workers that would take it, and the jobs ahead of it. What stands in
    the way is marked, with what to do about it.
    """
    with front.open(must_exist=True) as queue:
        if front.app is not None or queue.settings.app:
            front.load_kinds()  # a kind may have a limit
        explanation = queue.explain(job_id)
    if front.json:
        print_json(explanation_document(explanation))
    else:
        _print(explanation)


def _print(told: Explanation) -> None:
    for line in _wrapped(safe(told.summary), ""):
        click.echo(click.style(line, bold=True))
    click.echo()
    for check in told.checks:
        first, *rest = _wrapped(safe(check.sentence), "  ")
        click.echo(f"{click.style(tick(check.holds), fg='green' if check.holds else 'red')} {first.removeprefix('  ')}")
        for line in rest:
            click.echo(line)
        for line in _wrapped(safe(check.advice), "    ") if check.advice else ():
            click.echo(dim(line))
    if told.starts_in is not None:
        click.echo()
        when = "now" if told.starts_in == 0 else f"in about {duration(told.starts_in)}"
        click.echo(f"Starts {when} {dim(f'({safe(told.basis)})')}")


def _wrapped(text: str, indent: str) -> list[str]:
    """The text in lines that fit the terminal, each indented."""
    size = columns()
    if size is None:
        return [indent + text]
    from textwrap import wrap

    return wrap(text, max(20, size - 1), initial_indent=indent, subsequent_indent=indent) or [""]
