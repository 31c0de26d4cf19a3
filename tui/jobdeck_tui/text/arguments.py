"""Arguments of jobs as they are shown: secrets masked, and the environment that a command carries counted, not listed. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jobdeck import handler_kind, mask_arguments, restore_arguments

_CARRIED = "base_env"


def shown_json(kind: str, args_json: str) -> str:
    """Return arguments as JSON for a screen; unreadable ones unchanged."""
    if handler_kind(kind) != "shell":
        return args_json
    try:
        args = json.loads(args_json)
    except (ValueError, RecursionError):
        return args_json
    return json.dumps(shown_arguments(kind, args), ensure_ascii=False)


def shown_arguments(kind: str, args: Any) -> Any:
    """Return arguments for a screen."""
    masked = mask_arguments(kind, args)
    if not isinstance(masked, dict) or not (carried := carried_text(kind, masked)):
        return masked
    return masked | {_CARRIED: carried}


def carried_text(kind: str, args: Any) -> str:
    """Return the number of variables that a command carries: `48 variables of the caller`; empty if it carries none."""
    variables = args.get(_CARRIED) if handler_kind(kind) == "shell" and isinstance(args, dict) else None
    return f"{len(variables):,} variables of the caller" if isinstance(variables, dict) else ""


def editable_arguments(kind: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return arguments for an editor: without the environment that a command carries, and with masked secrets."""
    masked: Mapping[str, Any] = mask_arguments(kind, args)
    if handler_kind(kind) != "shell" or not isinstance(masked.get(_CARRIED), dict):
        return masked
    return {name: value for name, value in masked.items() if name != _CARRIED}


def edited_arguments(kind: str, args: Mapping[str, Any], before: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return edited arguments with what `editable_arguments` left out or masked."""
    if handler_kind(kind) != "shell":
        return args
    kept = {_CARRIED: before[_CARRIED]} if _CARRIED in before and _CARRIED not in args else {}
    return {**restore_arguments(args, before), **kept}
