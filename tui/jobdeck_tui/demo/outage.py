"""Stages the outage of a dependency: a file beside the database tells the handlers of all processes that it is down."""

from __future__ import annotations

from pathlib import Path

_folder: Path | None = None


def use_folder(folder: Path | None) -> None:
    """Look for the files in this folder; `None` if there is none, and everything is up."""
    global _folder
    _folder = folder


def is_down(host: str) -> bool:
    """Return whether the dependency is down now."""
    return _folder is not None and _file(_folder, host).exists()


def take_down(host: str) -> None:
    """Take the dependency down."""
    assert _folder is not None
    _file(_folder, host).touch()


def bring_back(host: str) -> None:
    """Let the dependency answer again."""
    if _folder is not None:
        _file(_folder, host).unlink(missing_ok=True)


def _file(folder: Path, host: str) -> Path:
    return folder / f"{host}.down"
