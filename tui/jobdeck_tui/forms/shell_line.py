"""Parse and format the command of a shell job as one line, as typed in a shell. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

_SIGNS = frozenset("|&;<>*?`$(){}~#\n")
"""Characters with a meaning for a shell but not for a program."""
_ASSIGNMENT = re.compile(r"\s*\w+=\S*\s+\S")


def needs_shell(line: str) -> bool:
    """Return whether the line contains, outside quotes, syntax that only a shell understands."""
    if _ASSIGNMENT.match(line):
        return True
    quote, escaped = "", False
    for sign in line:
        if escaped:
            escaped = False
        elif sign == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if sign == quote else quote
            if quote == '"' and sign in "$`":
                return True
        elif sign in "'\"":
            quote = sign
        elif sign in _SIGNS:
            return True
    return False


def read_line(line: str, *, shell: bool) -> dict[str, Any]:
    """Parse a line into the arguments of a shell job; empty for an empty line.

    Raises:
        ValueError: a quotation mark is not closed.
    """
    if not line.strip():
        return {}
    if shell:
        return {"command": [line.strip()], "shell": True}
    try:
        return {"command": shlex.split(line)}
    except ValueError as problem:
        raise ValueError(f"cannot be parsed: {str(problem).lower()}") from None


def format_line(args: Mapping[str, Any]) -> str | None:
    """Return the command of these arguments as a line; `None` if no line can express them."""
    command = args.get("command", [])
    if not isinstance(command, list) or not all(isinstance(part, str) for part in command):
        return None
    line = " ".join(command) if args.get("shell") is True else shlex.join(command)
    return line if line.isprintable() and args.get("shell", False) in (True, False) else None
