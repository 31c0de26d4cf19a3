"""The environment of commands: what of the caller's is carried to the job, and which values are secrets.

Secrets are stored as they are, because the command needs them, and masked wherever arguments are shown. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..json_functions import json
from .kind_names import SHELL, handler_kind
from .lazy_pattern import lazy_pattern

MASK = "***"
"""What is shown instead of a secret."""
ENVIRONMENTS = ("env", "base_env")
"""The arguments of a command that hold variables."""

# What describes the terminal, the login or the process of the caller, which are gone when the job runs.
_SESSION = frozenset(
    (
        *("_", "PWD", "OLDPWD", "SHLVL", "TERM", "TERMCAP", "COLORTERM", "COLUMNS", "LINES", "LS_COLORS", "WINDOWID"),
        *("PS1", "PS2", "PS3", "PS4", "PROMPT", "PROMPT_COMMAND", "HISTFILE", "HISTSIZE", "HISTFILESIZE", "HISTCONTROL"),
        *("DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "DESKTOP_SESSION", "SESSION_MANAGER"),
        *("SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "SSH_AUTH_SOCK", "SSH_AGENT_PID", "GPG_AGENT_INFO", "GPG_TTY"),
        *("TMUX", "TMUX_PANE", "STY", "WINDOW", "VTE_VERSION", "WT_SESSION", "WT_PROFILE_ID", "ZELLIJ"),
        *("INVOCATION_ID", "JOURNAL_STREAM", "NOTIFY_SOCKET", "MAINPID", "MANAGERPID", "WATCHDOG_PID", "WATCHDOG_USEC"),
        *("SYSTEMD_EXEC_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "XDG_VTNR", "XDG_SEAT", "XDG_RUNTIME_DIR"),
        *("COMP_LINE", "COMP_POINT", "COMP_WORDS", "COMP_CWORD", "_JOBDECK_COMPLETE", "JOBDECK_JOB_ID", "JOBDECK_ATTEMPT"),
        *("TRACEPARENT", "TRACESTATE"),  # the job itself carries them, and each attempt has its own
        "JOBDECK_TOKEN",
    )
)
_SESSION_PREFIXES = (
    *("XDG_SESSION_", "XDG_CURRENT_", "TERM_", "ITERM_", "KITTY_", "ALACRITTY_", "WEZTERM_", "KONSOLE_", "ZELLIJ_"),
    *("GNOME_TERMINAL_", "LC_TERMINAL", "VSCODE_", "TEXTUAL"),
)
_MINIMAL = ("HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TZ", "USER")
_SECRET = lazy_pattern(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|(^|_)PASS(_|$)|PWD|KEY|CREDENTIAL|PRIVATE|AUTH(?!OR)|COOKIE|_PAT$|_PW$|_DSN$", re.IGNORECASE
)
_PASSWORD = lazy_pattern(r"(://[^/\s:@]*:|password=)(?:(?<=:)[^/\s@]+(?=@)|(?<==)[^\s&;]+)", re.IGNORECASE)
_MASKED = lazy_pattern(rf"://[^/\s:@]*:{re.escape(MASK)}@|password={re.escape(MASK)}", re.IGNORECASE)


def carried_environment(environ: Mapping[str, str], *, minimal: bool = False) -> dict[str, str]:
    """Return the variables of the caller's environment that are carried to a job.

    Args:
        environ: the environment of the caller.
        minimal: only HOME, LANG, LOGNAME, PATH, SHELL, TZ and USER; otherwise all but those of the caller's session.
    """
    return {
        name: value
        for name, value in environ.items()
        if (name in _MINIMAL if minimal else name not in _SESSION and not name.startswith(_SESSION_PREFIXES))
    }


def is_secret(name: str) -> bool:
    """Return whether a variable of this name holds a secret, as its name says: API_TOKEN, DB_PASSWORD, SSH_KEY."""
    return _SECRET.search(name) is not None


def mask_value(name: str, value: str) -> str:
    """Return the value of a variable as it may be shown: secrets and passwords in addresses are masked."""
    if not value:
        return value
    if is_secret(name):
        return MASK
    return _PASSWORD.sub(rf"\1{MASK}", value)


def mask_arguments(kind: str, args: Any) -> Any:
    """Return the arguments of a job as they may be shown: of a command, with masked secrets in its environment."""
    if handler_kind(kind) != SHELL or not isinstance(args, dict) or not any(args.get(name) for name in ENVIRONMENTS):
        return args
    return args | {name: _masked(args[name]) for name in ENVIRONMENTS if name in args}


def mask_arguments_json(kind: str, text: str) -> str:
    """Return the arguments, as JSON, as they may be shown; see `mask_arguments`."""
    if handler_kind(kind) != SHELL or "env" not in text:
        return text
    try:
        return json.dumps(mask_arguments(kind, json.loads(text)), ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return text


def restore_arguments(args: Any, before: Any) -> Any:
    """Return edited arguments with the secrets of those before, where they were left masked."""
    if not isinstance(args, dict) or not isinstance(before, dict):
        return args
    restored = dict(args)
    for name in ENVIRONMENTS:
        old, new = before.get(name), args.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            restored[name] = {
                each: old[each] if each in old and value == _shown(each, old[each]) else value for each, value in new.items()
            }
    return restored


def masked_variable(args: Any) -> str | None:
    """Return the name of a variable whose value is a mask: it was copied from where it is shown. `None` if there is none."""
    for name in ENVIRONMENTS:
        found = args.get(name) if isinstance(args, Mapping) else None
        for each, value in found.items() if isinstance(found, Mapping) else ():
            if not isinstance(value, str) or MASK not in value:
                continue
            if (value == MASK and is_secret(str(each))) or _MASKED.search(value):
                return str(each)
    return None


def _masked(variables: Any) -> Any:
    if not isinstance(variables, dict):
        return variables if variables is None else MASK
    return {name: _shown(name, value) for name, value in variables.items()}


def _shown(name: str, value: Any) -> Any:
    return mask_value(name, value) if isinstance(value, str) else MASK
