"""The command lines that do the same as a form, or that repeat an existing job or schedule. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from jobdeck import Job, JobdeckError, Kind, Schedule, given_name, handler_kind, mask_arguments_json, mask_value, parse_duration

from ..text.format import span
from ..text.shell_words import join
from .options import Option, options_of
from .values import read_json, takes_text

_MISSING = object()
_NAME = re.compile(r"\w+")


def new_job_command(kind: Kind, args: Mapping[str, Any], options: Sequence[tuple[Option, str]]) -> str:
    """Return `jobdeck enqueue KIND KEY=VALUE … --queue …`; for a shell command `jobdeck run … -- COMMAND`."""
    flags = flags_of(options)
    run = _run_text(kind.name, args, flags)
    return run or join(["jobdeck", "enqueue", kind.name, *pairs_of(kind, args), *flags])


def enqueue_command(job: Job) -> str:
    """Return the command line that enqueues the same job: `jobdeck enqueue … --args JSON` or `jobdeck run …`."""
    flags = _flags_of_job(job)
    try:
        args = job.args
    except JobdeckError:  # the arguments cannot be read: pass their text on unchanged
        args = {}
    run = _run_text(job.kind, args, flags)
    return run or join(["jobdeck", "enqueue", job.kind, *flags, "--args", mask_arguments_json(job.kind, job.args_json)])


def add_schedule_command(
    name: str, cron: str, zone: str, kind: Kind, args: Mapping[str, Any], options: Sequence[tuple[Option, str]]
) -> str:
    """Return `jobdeck schedule add NAME CRON KIND KEY=VALUE … --timezone …`."""
    zone_flags = [] if zone == "UTC" else ["--timezone", zone]
    pairs = pairs_of(kind, args)
    return join(["jobdeck", "schedule", "add", name, cron, kind.name, *pairs, *zone_flags, *flags_of(options)])


def schedule_command(schedule: Schedule) -> str:
    """Return the command line that creates the same schedule: `jobdeck schedule add … --args JSON --timezone …`."""
    words = ["jobdeck", "schedule", "add", schedule.name, schedule.cron, schedule.kind]
    words += ["--args", mask_arguments_json(schedule.kind, schedule.args_json)]
    words += ["--timezone", schedule.timezone, "--queue", schedule.queue, "--priority", str(schedule.priority)]
    words += ["--max-attempts", str(schedule.max_attempts), "--timeout", span(schedule.timeout or 0)]
    for tag in schedule.tags:
        words += ["--tag", tag]
    return join(words)


def edit_schedule_command(
    before: Schedule, cron: str, zone: str, kind: Kind, args: Mapping[str, Any], options: Sequence[tuple[Option, str]]
) -> str:
    """Return `jobdeck schedule edit NAME` with only the fields that changed."""
    words = ["jobdeck", "schedule", "edit", before.name]
    if kind.name != handler_kind(before.kind):
        words += ["--kind", kind.name]
    args_before = before.args if isinstance(before.args, dict) else {}
    if kind.name != handler_kind(before.kind) or any(name not in args for name in args_before):
        words += ["--args", json.dumps(args, ensure_ascii=False, default=str)]
    else:
        words += pairs_of(kind, {name: value for name, value in args.items() if args_before.get(name, _MISSING) != value})
    words += ["--cron", cron] * (cron != before.cron) + ["--timezone", zone] * (zone != before.timezone)
    options_before = options_of(before)
    return join([*words, *flags_of([(each, text) for each, text in options if text.strip() != options_before[each.name]])])


def pairs_of(kind: Kind, args: Mapping[str, Any]) -> list[str]:
    """Return the arguments as `KEY=VALUE`; as `--args JSON` if a name cannot be separated from its value."""
    if not all(_NAME.fullmatch(name) for name in args):
        return ["--args", json.dumps(args, ensure_ascii=False, default=str)]
    texts = {each.name for each in kind.parameters if takes_text(each.type, each.choices)}
    return [f"{name}={_format_value(value, name in texts)}" for name, value in args.items()]


def flags_of(options: Sequence[tuple[Option, str]]) -> list[str]:
    """Return the options that are filled in, as flags."""
    flags: list[str] = []
    for option, typed in options:
        text = typed.strip()
        if not text:
            continue
        if option.name in ("tags", "after"):
            for word in text.replace(",", " ").split() if option.name == "after" else text.split():
                flags += [option.flag, word]
        elif option.name == "when":
            flags += ["--in" if _is_duration(text) else "--at", text]
        else:
            flags += [option.flag, text]
    return flags


def _flags_of_job(job: Job) -> list[str]:
    flags = [] if job.queue == "default" else ["--queue", job.queue]
    if job.priority:
        flags += ["--priority", str(job.priority)]
    flags += ["--max-attempts", str(job.max_attempts)]
    if job.timeout:
        flags += ["--timeout", span(job.timeout)]
    for tag in job.tags:
        flags += ["--tag", tag]
    if job.unique_key is not None:
        flags += ["--unique", job.unique_key]
    if job.backoff is not None:
        flags += ["--backoff", ",".join(map(span, job.backoff))]
    return flags


def _run_text(kind: str, args: Mapping[str, Any], flags: Sequence[str]) -> str | None:
    """Return `jobdeck run … -- COMMAND`; `None` unless the kind is `shell` and its arguments hold a command."""
    command = args.get("command")
    if handler_kind(kind) != "shell" or not isinstance(command, list) or not all(isinstance(part, str) for part in command):
        return None
    name = given_name(kind, args)
    words = ["jobdeck", "run", *([] if name is None else ["--name", name]), *flags]
    if args.get("cwd"):
        words += ["--cwd", str(args["cwd"])]
    for name, value in (args.get("env") or {}).items():
        # A secret is not shown: `--env NAME` takes the value that the variable has where the command is run.
        words += ["--env", name if mask_value(name, str(value)) != str(value) else f"{name}={value}"]
    if args.get("shell") is True:
        return join([*words, "--shell", "--", " ".join(command)])
    return join([*words, "--", *command])


def _format_value(value: Any, text: bool) -> str:
    if isinstance(value, str) and (text or read_json(value) == value):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _is_duration(text: str) -> bool:
    try:
        parse_duration(text)
    except ValueError:
        return False
    return True
