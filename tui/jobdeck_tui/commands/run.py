"""`jobdeck run`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from .common import CliContext, Subcommand, absolute_folder, print_error
from .job_options import given_options, job_options
from .output import warn_if_no_worker
from .path_completers import complete_command, complete_folders


@click.command(
    "run",
    cls=Subcommand,
    context_settings={"allow_interspersed_args": False},
    epilog="""\b
Examples:
  jobdeck run -- gzip big.log
  jobdeck run --shell 'pg_dump shop | gzip > shop.sql.gz'
  jobdeck run --queue img --timeout 5m --tag nightly -- convert in.png out.webp
  jobdeck run --in 1h --max-attempts 1 -- rm -r /tmp/cache
  jobdeck run --env LEVEL=9 --cwd /srv -- ./pack.sh
  jobdeck run --unique backup --expires 1h -- ./backup.sh
  id=$(jobdeck run -- make); jobdeck run --after "$id" -- make install
  for f in *.log; do jobdeck run -- gzip "$f"; done
  jobdeck run --wait -- make test      follow the output and exit with its exit code
""",
)
@click.argument(
    "command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="[--] COMMAND...", shell_complete=complete_command
)
@click.option("--shell", is_flag=True, help="Run the command with sh, for pipes and globs.")
@click.option("--cwd", metavar="FOLDER", shell_complete=complete_folders, help="Working directory (default: the current one).")
@click.option("--env", "env", multiple=True, metavar="KEY=VALUE", help="Set an environment variable; repeatable.")
@click.option("--wait", is_flag=True, help="Follow the output and exit with the command's exit code.")
@job_options
@click.pass_obj
def run_command(
    front: CliContext, /, command: Sequence[str], shell: bool, cwd: str | None, env: Sequence[str], wait: bool, **options: Any
) -> int:
    """Enqueue a shell command and print the job's id.

    The command runs in the current directory, in its own process group. Commands that exit non-zero are tried
    up to --max-attempts times. The output becomes the job's log; --wait keeps standard output and standard
    error apart.

    If another job holds the --unique key, nothing is enqueued and the id of that job is printed.
    """
    from .enqueue import enqueue_and_classify, print_enqueued

    chosen = given_options(options)
    args: dict[str, Any] = {"command": list(command), "cwd": absolute_folder(cwd)}
    if shell:
        if len(command) > 1:
            # Options after the text would become part of the command, and the job would run without them.
            raise click.UsageError("--shell takes the command as one quoted argument, after all options")
        args["shell"] = True
    if env:
        args["env"] = _variables(env)
    with front.open(changes=True) as queue:
        (arrival,) = enqueue_and_classify(queue, [queue.new_job("shell", args, **chosen)])
        job = arrival.job
        if not wait:
            print_enqueued(front, arrival)
            return 0
        if not arrival.new:
            print_error(arrival.sentence)
        from .logs import follow

        warn_if_no_worker(queue, f"Job {job.id}")
        try:
            follow(front, queue, job.id, quiet=front.json, apart=True)
        except KeyboardInterrupt:
            print_error(f"Job {job.id} continues; `jobdeck cancel {job.id}` stops it.")
            return 130
        return _result(front, queue, job.id)


def _variables(env: Sequence[str]) -> dict[str, str]:
    variables = {}
    for pair in env:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise click.UsageError(f"--env {pair!r} is not KEY=VALUE")
        variables[name] = value
    return variables


def _result(front: CliContext, queue: Any, job_id: int) -> int:
    from jobdeck import State

    from .json_documents import exit_code, full_document
    from .output import print_json

    job = queue.get(job_id)
    if front.json:
        print_json(full_document(queue, job))
    if job.state is State.COMPLETED:
        return 0
    # A command that exits non-zero reports why on its own standard error; report the other failures here.
    code = exit_code(job, queue.attempts(job_id))
    if code is None or job.state is State.CANCELLED:
        print_error(f"Job {job_id} {'was cancelled' if job.state is State.CANCELLED else f'failed: {job.error}'}.")
    return code or 1
