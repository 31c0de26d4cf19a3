"""The command line that enqueues a job again. Pure; the commands and the cockpit share it."""

from __future__ import annotations

import shlex

from jobdeck import Job, JobdeckError, command_line

from .format import span


def command_of(job: Job) -> str:
    """The command line that enqueues a job again."""
    options = [] if job.queue == "default" else ["--queue", job.queue]
    if job.priority:
        options += ["--priority", str(job.priority)]
    options += ["--max-attempts", str(job.max_attempts)]
    if job.timeout:
        options += ["--timeout", span(job.timeout)]
    for tag in job.tags:
        options += ["--tag", tag]
    if job.unique_key is not None:
        options += ["--unique", job.unique_key]
    if job.backoff is not None:
        options += ["--backoff", ",".join(map(span, job.backoff))]
    try:
        args = job.args
    except JobdeckError:  # unreadable arguments: the text as it is
        args = {}
    command = args.get("command")
    if job.kind != "shell" or not isinstance(command, list):
        return shlex.join(["jobdeck", "enqueue", job.kind, *options, "--args", job.args_json])
    if args.get("cwd"):
        options += ["--cwd", args["cwd"]]
    for name, value in (args.get("env") or {}).items():
        options += ["--env", f"{name}={value}"]
    if args.get("shell") is True:
        return shlex.join(["jobdeck", "run", *options, "--shell", "--", " ".join(command)])
    return f"{shlex.join(['jobdeck', 'run', *options])} -- {command_line(command)}"
