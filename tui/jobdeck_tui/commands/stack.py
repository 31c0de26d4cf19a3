"""`jobdeck stack`."""

from __future__ import annotations

import click

from ..text.sanitize import safe
from .common import CliContext, Subcommand, print_error
from .completers import complete_jobs
from .json_documents import stack_document
from .output import dim, print_json
from .param_types import JOB_ID


@click.command(
    "stack",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck stack 42
  watch -n1 jobdeck stack 42
  jobdeck stack 42 --json | jq -r '.calls[-1] | "\\(.file):\\(.line) \\(.code)"'
""",
)
@click.argument("job_id", metavar="ID", type=JOB_ID, shell_complete=complete_jobs("running"))
@click.pass_obj
def stack_command(front: CliContext, job_id: int) -> int:
    """Show the current Python stack of a running job, innermost call last.

    The job is not interrupted. With SQLite it must run in a process of yours on this machine; with PostgreSQL it
    may run anywhere. A shell job has no Python stack; its process id is shown instead.
    """
    with front.read() as queue:
        stack = queue.stack(job_id)
    if front.json:
        print_json(stack_document(stack))
    elif stack.reason:
        print_error(f"No stack available for job {job_id}. {stack.reason}")
    else:
        click.echo(dim(f"Job {job_id} in process {stack.pid}"))
        click.echo(safe(stack.text, multiline=True))
    return 1 if stack.reason else 0
