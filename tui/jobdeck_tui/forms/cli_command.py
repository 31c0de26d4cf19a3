"""The command line that does what a form would do. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from jobdeck import Job, JobdeckError, Kind, Schedule, command_line, parse_duration

from ..text.format import span
from .options import Option, options_of
from .values import read_json, takes_text

_NONE = object()
_NAME = re.compile(r"\w+")


def enqueue_text(kind: Kind, args: Mapping[str, Any], options: Sequence[tuple[Option, str]]) -> str:
    """`jobdeck enqueue KIND KEY=VALUE … --queue …`; `jobdeck run … -- COMMAND` for a command."""
    flags = flags_of(options)
    command = args.get("command")
    if kind.name != "shell" or not isinstance(command, list) or not all(isinstance(part, str) for part in command):
        return shlex.join(["jobdeck", "enqueue", kind.name, *pairs_of(kind, args), *flags])
    more: list[str] = []
    if args.get("cwd"):
        more += ["--cwd", str(args["cwd"])]
    for name, value in (args.get("env") or {}).items():
        more += ["--env", f"{name}={value}"]
    if args.get("shell") is True:
        return shlex.join(["jobdeck", "run", *flags, *more, "--shell", "--", " ".join(command)])
    return f"{shlex.join(['jobdeck', 'run', *flags, *more])} -- {shlex.join(command)}"


def add_schedule_text(
    name: str, cron: str, zone: str, kind: Kind, args: Mapping[str, Any], options: Sequence[tuple[Option, str]]
) -> str:
    """`jobdeck schedule add NAME CRON KIND KEY=VALUE … --timezone …`."""
    zoned = [] if zone == "UTC" else ["--timezone", zone]
    return shlex.join(["jobdeck", "schedule", "add", name, cron, kind.name, *pairs_of(kind, args), *zoned, *flags_of(options)])


def edit_schedule_text(
    before: Schedule, cron: str, zone: str, kind: Kind, args: Mapping[str, Any], options: Sequence[tuple[Option, str]]
) -> str:
    """`jobdeck schedule edit NAME` with what is changed, and no more."""
    words = ["jobdeck", "schedule", "edit", before.name]
    if kind.name != before.kind:
        words += ["--kind", kind.name]
    was = before.args if isinstance(before.args, dict) else {}
    if kind.name != before.kind or any(name not in args for name in was):
        words += ["--args", json.dumps(args, ensure_ascii=False, default=str)]
    else:
        words += pairs_of(kind, {name: value for name, value in args.items() if was.get(name, _NONE) != value})
    words += ["--cron", cron] * (cron != before.cron) + ["--timezone", zone] * (zone != before.timezone)
    told = options_of(before)
    return shlex.join([*words, *flags_of([(each, text) for each, text in options if text.strip() != told[each.name]])])


def pairs_of(kind: Kind, args: Mapping[str, Any]) -> list[str]:
    """The arguments as `KEY=VALUE`; as `--args JSON` where a name could not be told from its value."""
    if not all(_NAME.fullmatch(name) for name in args):
        return ["--args", json.dumps(args, ensure_ascii=False, default=str)]
    texts = {each.name for each in kind.parameters if takes_text(each.type, each.choices)}
    return [f"{name}={_typed(value, name in texts)}" for name, value in args.items()]


def _typed(value: Any, text: bool) -> str:
    if isinstance(value, str) and (text or read_json(value) == value):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def flags_of(options: Sequence[tuple[Option, str]]) -> list[str]:
    """The options that were typed, as flags."""
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


def _is_duration(text: str) -> bool:
    try:
        parse_duration(text)
    except ValueError:
        return False
    return True


# merged: The command line that enqueues a job again. Pure; the commands and the cockpit share it.
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
