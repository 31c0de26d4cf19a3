"""`jobdeck run`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import click

from jobdeck import ArgumentsTooLarge, Attempt, carried_environment

from .common import CliContext, CommandError, Subcommand, absolute_folder, print_error
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
  jobdeck run --clean-env --env API_TOKEN -- ./deploy.sh      only a few variables, and this one
  jobdeck run --unique backup --expires 1h -- ./backup.sh
  id=$(jobdeck run -- make); jobdeck run --after "$id" -- make install
  ls *.log | jobdeck run --each -- gzip -9f {}
  find . -name '*.png' -print0 | jobdeck run -0 --each --shell 'convert {} {.}.webp'
  id=$(ls *.log | jobdeck run --each --batch logs -- gzip); jobdeck batch "$id" --wait
  jobdeck run --wait -- make test      follow the output and exit with its exit code
""",
)
@click.argument(
    "command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="[--] COMMAND...", shell_complete=complete_command
)
@click.option("--shell", is_flag=True, help="Run the command with sh, for pipes and globs.")
@click.option("--cwd", metavar="FOLDER", shell_complete=complete_folders, help="Working directory (default: the current one).")
@click.option(
    "--env",
    "env",
    multiple=True,
    metavar="KEY[=VALUE]",
    help="Set an environment variable, or carry that of the caller; repeatable.",
)
@click.option("--clean-env", is_flag=True, help="Carry only HOME, LANG, LOGNAME, PATH, SHELL, TZ and USER.")
@click.option(
    "--each", is_flag=True, help="Enqueue the command for each line of standard input: {} {.} {/} {//} {/.} stand for it."
)
@click.option("-0", "--null", is_flag=True, help="With --each, lines end in NUL, as those of find -print0.")
@click.option("--batch", metavar="NAME", help="With --each, group the jobs into a batch with this name.")
@click.option("--wait", is_flag=True, help="Follow the output and exit with the command's exit code.")
@job_options
@click.pass_obj
def run_command(
    front: CliContext,
    /,
    command: Sequence[str],
    shell: bool,
    cwd: str | None,
    env: Sequence[str],
    clean_env: bool,
    each: bool,
    null: bool,
    batch: str | None,
    wait: bool,
    **options: Any,
) -> int:
    r"""Enqueue a shell command and print the job's id.

    The command runs in the current directory and with the current environment, except for what belongs to the
    terminal and login session (TERM, DISPLAY, SSH_AUTH_SOCK, …). The environment is stored with the job: secrets
    are masked wherever jobs are shown, but can be read in the database; --clean-env leaves them out. The command
    runs in its own process group. Commands that exit non-zero are tried up to --max-attempts times. The output
    becomes the job's log; --wait keeps standard output and standard error apart, and passes them on to files and pipes
    as they are. A terminal, and the log, show control characters as codes. Output is text: bytes that are not UTF-8
    become codes such as \xff. The exit code of --wait is 128 and its number if a signal killed the command, 124 if it
    timed out, 127 if there is no such program and 126 if it may not be run.

    If another job holds the --unique key, nothing is enqueued and the id of that job is printed.

    With --each, placeholders stand for a line as in GNU parallel: {} the line, {.} without its extension, {/} without its
    folder, {//} its folder, {/.} without both, {#} its number. Without any, the line is added at the end. --shell quotes the
    values. Placeholders also work in --cwd and --unique. Empty lines are skipped. Jobs are enqueued as lines arrive, up to
    1,000 in one transaction. With --wait, the output of each command is printed when it has finished, and the exit
    code is 0 if all have completed, otherwise 1.
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
    if not each and (null or batch is not None):
        raise click.UsageError(f"{'-0' if null else '--batch'} requires --each")
    args["base_env"] = carried_environment(os.environ, minimal=clean_env)
    if each:
        from ..text.placeholders import has_placeholder
        from .run_each import EachOptions, run_each

        if cwd is not None and has_placeholder(cwd):
            args["cwd"] = cwd
        return run_each(front, command, args, chosen, EachOptions(b"\0" if null else b"\n", batch, wait))
    with front.open_to_enqueue() as queue:
        try:
            draft = queue.new_job("shell", args, **chosen)
        except ArgumentsTooLarge as error:
            raise CommandError(_too_large(error, args)) from None
        (arrival,) = enqueue_and_classify(queue, [draft])
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
        if not separator and name in os.environ:
            value = os.environ[name]
        elif not separator or not name:
            raise click.UsageError(f"--env {pair!r} is neither KEY=VALUE nor the name of a variable that is set")
        variables[name] = value
    return variables


def _too_large(error: ArgumentsTooLarge, args: Mapping[str, Any]) -> str:
    import json

    carried = len(json.dumps(args["base_env"], ensure_ascii=False).encode())
    if error.size - carried > error.limit:
        return str(error)
    return (
        f"The command takes {error.size:,} bytes, more than JOBDECK_MAX_ARGS_BYTES allows ({error.limit:,}),"
        f" {carried:,} of them for its environment; --clean-env leaves that out."
    )


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
    attempts = queue.attempts(job_id)
    code = exit_code(job, attempts)
    if code is None or job.state is State.CANCELLED:
        print_error(f"Job {job_id} {'was cancelled' if job.state is State.CANCELLED else f'failed: {job.error}'}.")
    return code or _shells_code(attempts[-1] if attempts else None)


_CODES = {"CommandNotFound": 127, "CommandNotExecutable": 126}


def _shells_code(attempt: Attempt | None) -> int:
    """Return the exit code by which shells, and `timeout`, tell why a command has none of its own; 1 if it did not run."""
    import signal

    from jobdeck import Outcome

    if attempt is None:
        return 1
    if attempt.outcome is Outcome.TIMED_OUT:
        return 124
    error = attempt.error_type or ""
    killer = error.removeprefix("killed by ")
    return 128 + signal.Signals[killer] if killer in signal.Signals.__members__ else _CODES.get(error, 1)
