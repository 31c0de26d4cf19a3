"""The kinds of commands: `shell:gzip` is the kind of a command named `gzip`; the handler of all of them is that of `shell`.

The name is a part of the stored kind, so that everything that is counted, measured, listed or grouped by kind tells commands
apart: lanes, counters, metrics, errors, history, schedules.
"""

from __future__ import annotations

SHELL = "shell"
"""The kind of commands, registered in every queue."""
_NAMED = f"{SHELL}:"

HANDLER_SQL = f"CASE WHEN substr(kind, 1, {len(_NAMED)}) = '{_NAMED}' THEN '{SHELL}' ELSE kind END"
"""`handler_kind` of a column `kind`, in SQL."""
NAME_SQL = f"CASE WHEN substr(kind, 1, {len(_NAMED)}) = '{_NAMED}' THEN substr(kind, {len(_NAMED) + 1}) END"
"""`name_in_kind` a column `kind`, in SQL."""
ONE_KIND_SQL = f"coalesce(:kind, kind) IN (kind, {HANDLER_SQL})"
"""Whether a row is of the kind `:kind`, in SQL; true for all rows if that is NULL. `shell` includes all commands."""


def handler_kind(kind: str) -> str:
    """Return the kind that is registered: `shell` for `shell:gzip`; other kinds are returned unchanged."""
    return SHELL if kind.startswith(_NAMED) else kind


def name_in_kind(kind: str) -> str | None:
    """Return the name of the command in its kind: `gzip` for `shell:gzip`; `None` for other kinds."""
    return kind.removeprefix(_NAMED) if kind.startswith(_NAMED) else None


def kind_of_command(name: str) -> str:
    """Return the kind of commands with this name."""
    return _NAMED + name
