"""Every setting of jobdeck: its environment variable, its default, what it means.

A plain frozen dataclass: reading twelve variables must not cost a command the import of a validation
library. The environment wins over a `.env` file in the current folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from .model.errors import InvalidSetting

PREFIX = "JOBDECK_"

SWITCH_INTERVAL = 0.0005
"""Seconds after which a busy Python thread lets another one run, for programs whose business is to run jobs
(`sys.setswitchinterval`). With Python's own 0.005 a handler that computes slows each statement of the database, and each
key of a screen, by that much."""


def default_database() -> str:
    """Where the queue lives when nothing else is said: the user's data folder (XDG Base Directory)."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return str(Path(base) / "jobdeck" / "jobs.db")


def _text(value: str) -> str:
    return value.strip()


def _names(value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip())


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            raise ValueError("it must be a whole number") from None
        if not low <= number <= high:
            raise ValueError(f"it must be from {low:,} to {high:,}")
        return number

    return read


def _seconds(low: float, high: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            raise ValueError("it must be a number of seconds") from None
        if not low <= number <= high:  # also refuses nan
            raise ValueError(f"it must be from {low:g} to {high:g} seconds")
        return number

    return read


def _choice(*choices: str, upper: bool = False) -> Callable[[str], str]:
    def read(value: str) -> str:
        chosen = value.strip().upper() if upper else value.strip().lower()
        if chosen not in choices:
            raise ValueError(f"it must be one of {', '.join(choices)}")
        return chosen

    return read


def _setting(default: Any, read: Callable[[str], Any], doc: str) -> Any:
    metadata = {"read": read, "doc": doc}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


_YEAR = 366 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. `Settings.load()` reads them; tests and programs may construct one directly."""

    database: str = _setting(
        default_database,
        _text,
        "the queue: a path, sqlite:///path or postgresql://user@host/name; in your data folder if not set",
    )
    app: tuple[str, ...] = _setting((), _names, "the modules that define your kinds, comma-separated")
    queues: tuple[str, ...] = _setting((), _names, "the queues a worker serves, comma-separated; empty means all")
    threads: int = _setting(4, _whole(0, 1000), "worker threads of one process")
    coroutines: int = _setting(100, _whole(1, 100_000), "async handlers that run at once in one process, beside its threads")
    processes: int = _setting(0, _whole(0, 256), "child processes that run handlers, with their own threads; 0 means none")
    max_attempts: int = _setting(5, _whole(1, 1000), "attempts of a job, where its kind says nothing")
    timeout: float = _setting(0.0, _seconds(0, _YEAR), "seconds one attempt may take; 0 means no limit")
    lease: float = _setting(30.0, _seconds(0.2, 86400), "seconds a claim holds without a heartbeat")
    heartbeat: float = _setting(0.0, _seconds(0, 86400), "seconds between heartbeats; 0 means a third of the lease")
    shutdown_grace: float = _setting(25.0, _seconds(0, 86400), "seconds running jobs get to finish on shutdown")
    ageing: float = _setting(
        0.0, _seconds(0, _YEAR), "seconds of waiting that count as one step of priority; 0 means that priorities do not age"
    )
    retention: float = _setting(
        7 * 86400.0, _seconds(0, 100 * _YEAR), "seconds a completed or cancelled job is kept; 0 means for ever"
    )
    # Failed jobs are few, and the ones that somebody still has to look at.
    retention_failed: float = _setting(
        30 * 86400.0, _seconds(0, 100 * _YEAR), "seconds a failed job is kept: longer, to be looked at; 0 means for ever"
    )
    keep: int = _setting(1_000_000, _whole(0, 10**12), "most final jobs kept of each state, the newest; 0 means no limit")
    max_args_bytes: int = _setting(65536, _whole(2, 2**24), "largest arguments of one job, in bytes of JSON")
    synchronous: str = _setting("FULL", _choice("FULL", "NORMAL", "OFF", upper=True), "SQLite durability: FULL, NORMAL or OFF")
    log_level: str = _setting(
        "INFO", _choice("DEBUG", "INFO", "WARNING", "ERROR", upper=True), "what is logged: DEBUG, INFO, WARNING or ERROR"
    )
    log_format: str = _setting("text", _choice("text", "json"), "how it is logged: text or json")

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, *, folder: Path | None = None, **given: Any) -> Self:
        """Read the settings: `given` wins over `environ`, which wins over `.env` in `folder`.

        Args:
            environ: the environment; the process's own when `None`.
            folder: where a `.env` file is looked for; the current folder when `None`.
            given: settings by field name, of the field's type; `None` counts as not given.

        Raises:
            InvalidSetting: a variable has a value that cannot be used.
        """
        source = {**_dotenv(folder or Path()), **(os.environ if environ is None else environ)}
        values: dict[str, Any] = {}
        for each in fields(cls):
            name = PREFIX + each.name.upper()
            if given.get(each.name) is not None:
                values[each.name] = given[each.name]
            elif source.get(name, "").strip():
                try:
                    values[each.name] = each.metadata["read"](source[name])
                except ValueError as problem:
                    raise InvalidSetting(name, source[name], str(problem)) from None
        unknown = set(given) - {each.name for each in fields(cls)}
        if unknown:
            raise TypeError(f"unknown settings: {', '.join(sorted(unknown))}")
        return cls(**values)

    @property
    def heartbeat_every(self) -> float:
        """Seconds between two heartbeats: as set, but never more than a third of the lease."""
        third = self.lease / 3
        return min(self.heartbeat, third) if self.heartbeat else third

    @classmethod
    def describe(cls) -> list[tuple[str, str, str]]:
        """Name of the environment variable, default and meaning of each setting."""
        rows = []
        for each in fields(cls):
            default = "" if each.name == "database" else getattr(cls(), each.name)
            shown = ",".join(default) if isinstance(default, tuple) else str(default)
            rows.append((PREFIX + each.name.upper(), shown, str(each.metadata["doc"])))
        return rows


def _dotenv(folder: Path) -> dict[str, str]:
    path = folder / ".env"
    if not path.is_file():
        return {}
    from dotenv import dotenv_values  # imported late: most folders have no such file

    try:
        found = dotenv_values(path)
    except UnicodeDecodeError:
        raise InvalidSetting(".env", str(path), "it is not UTF-8 text") from None
    except OSError as error:
        raise InvalidSetting(".env", str(path), f"it cannot be read ({error.strerror})") from None
    return {name: value for name, value in found.items() if value is not None and name.startswith(PREFIX)}
