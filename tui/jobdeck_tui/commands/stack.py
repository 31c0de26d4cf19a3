"""`jobdeck stack`."""

from __future__ import annotations

import click

from ..text.sanitize import safe
from .common import Front, Verb, complain
from .completers import complete_jobs
from .json_documents import stack_document
from .output import dim, print_json


@click.command(
    "stack",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck stack 42
  watch -n1 jobdeck stack 42
  jobdeck stack 42 --json | jq -r '.calls[-1] | "\\(.file):\\(.line) \\(.code)"'
""",
)
@click.argument("job_id", metavar="ID", type=click.IntRange(1, 2**63 - 1), shell_complete=complete_jobs("running"))
@click.pass_obj
def stack_command(front: Front, job_id: int) -> int:
    """Show where the code of a running job is now: its calls from the handler down, the innermost last.

    The process that runs it is asked, which may be any on this machine that is yours. The job is not disturbed. A command
    has no Python stack; its process is named instead.
    """
    with front.open(must_exist=True) as queue:
        stack = queue.stack(job_id)
    if front.json:
        print_json(stack_document(stack))
    elif stack.told:
        complain(f"Job {job_id} tells no stack. {stack.told}")
    else:
        click.echo(dim(f"Job {job_id} in process {stack.pid}"))
        click.echo(safe(stack.text, multiline=True))
    return 1 if stack.told else 0
