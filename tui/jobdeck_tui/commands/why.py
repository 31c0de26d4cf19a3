"""`jobdeck why`."""

from __future__ import annotations

import click

from jobdeck import Explanation

from ..text.format import duration
from ..text.sanitize import safe
from .common import CliContext, Subcommand
from .completers import complete_jobs
from .json_documents import explanation_document
from .output import columns, dim, print_json, tick
from .param_types import JOB_ID

_WAITING = ("pending", "scheduled", "retrying", "waiting", "running")


@click.command(
    "why",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck why 42
  jobdeck why 42 --json | jq '.checks[] | select(.met | not)'
""",
)
@click.argument("job_id", metavar="ID", type=JOB_ID, shell_complete=complete_jobs(*_WAITING))
@click.pass_obj
def why_command(front: CliContext, job_id: int) -> None:
    """Explain why a job is not running and when it may start.

    Checks every condition of a claim on the live job: whether it is due, its dependencies, the pause and limits
    of its queue and kind, the workers that serve it, and the jobs ahead of it. Marks each unmet condition and
    suggests what to do.
    """
    with front.read() as queue:
        if front.app is not None or queue.settings.app:
            front.load_kinds()  # a kind may have a limit
        explanation = queue.explain(job_id)
    if front.json:
        print_json(explanation_document(explanation))
    else:
        _print(explanation)


def _print(explanation: Explanation) -> None:
    for line in _wrap(safe(explanation.summary), ""):
        click.echo(click.style(line, bold=True))
    click.echo()
    for check in explanation.checks:
        first, *rest = _wrap(safe(check.message), "  ")
        click.echo(f"{click.style(tick(check.met), fg='green' if check.met else 'red')} {first.removeprefix('  ')}")
        for line in rest:
            click.echo(line)
        for line in _wrap(safe(check.advice), "    ") if check.advice else ():
            click.echo(dim(line))
    if explanation.starts_in is not None:
        click.echo()
        when = "now" if explanation.starts_in == 0 else f"in about {duration(explanation.starts_in)}"
        click.echo(f"Starts {when} {dim(f'({safe(explanation.estimate_basis)})')}")


def _wrap(text: str, indent: str) -> list[str]:
    """Wrap the text to the terminal and indent each line."""
    size = columns()
    if size is None:
        return [indent + text]
    from textwrap import wrap

    return wrap(text, max(20, size - 1), initial_indent=indent, subsequent_indent=indent) or [""]
