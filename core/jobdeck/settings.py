"""The settings of jobdeck: environment variable, default and meaning of each.

A plain frozen dataclass, so that reading a few variables does not cost each command the import of a validation
library. The environment takes precedence over a `.env` file in the current folder, which must be the user's own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, fields
from pathlib import Path
from typing import Any, Self

from .dotenv_file import read_dotenv
from .model.errors import InvalidSetting
from .model.record_class import record

PREFIX = "JOBDECK_"

SWITCH_INTERVAL = 0.0005
"""Seconds after which a busy Python thread yields to another one, for programs that run jobs (`sys.setswitchinterval`).
With Python's default of 0.005, a handler that computes delays each database statement, and each key press, by that much."""


def default_database() -> str:
    """Return the default path of the database: in the user's data folder (XDG Base Directory).

    Raises:
        InvalidSetting: the user has no home folder.
    """
    base = os.environ.get("XDG_DATA_HOME")
    try:
        folder = Path(base) if base else Path.home() / ".local" / "share"
    except RuntimeError:
        problem = "it is not set, and this user has no home folder for the default; give a path or an address"
        raise InvalidSetting("JOBDECK_DATABASE", "", problem) from None
    return str(folder / "jobdeck" / "jobs.db")


def is_default_database(path: str) -> bool:
    """Return whether this is the default path of the database."""
    try:
        return path == default_database()
    except InvalidSetting:
        return False


def _text(value: str) -> str:
    return value.strip()


def _names(value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip())


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            raise ValueError("must be a whole number") from None
        if not low <= number <= high:
            raise ValueError(f"must be from {low:,} to {high:,}")
        return number

    return read


def _seconds(low: float, high: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = _duration(value)
        if not low <= number <= high:  # also refuses nan
            raise ValueError(f"must be from {low:g} to {high:g} seconds")
        return number

    return read


def _duration(value: str) -> float:
    from .model.filter import parse_duration  # imported late: most settings are plain numbers

    try:
        return parse_duration(value)
    except ValueError:
        raise ValueError("must be a duration such as 90s, 15m, 1h or 7d, or a number of seconds") from None


def _choice(*choices: str, upper: bool = False) -> Callable[[str], str]:
    def read(value: str) -> str:
        chosen = value.strip().upper() if upper else value.strip().lower()
        if chosen not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return chosen

    return read


def _setting(default: Any, read: Callable[[str], Any], doc: str, *, secret: bool = False) -> Any:
    metadata = {"read": read, "doc": doc}
    if callable(default):
        return field(default_factory=default, metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)


_YEAR = 366 * 86400.0
_OTHERS = {PREFIX + name for name in ("JOB_ID", "ATTEMPT", "WORKER", "THEME", "ASCII")}
"""Variables that a command gets from its worker, and those of the cockpit."""
_SYNONYMS = {"DB": "DATABASE", "URL": "DATABASE", "DATABASE_URL": "DATABASE", "WORKERS": "THREADS", "CONCURRENCY": "THREADS"}
_SYNONYMS |= {"GRACE": "SHUTDOWN_GRACE", "RETRIES": "MAX_ATTEMPTS", "QUEUE": "QUEUES", "KEEP": "RETENTION"}
_reported: set[str] = set()
"""The unknown variables that this process has warned about."""


def _report_unknown(name: str, known: Iterable[str]) -> None:
    """Warn once about a variable that is probably a mistyped setting; others may be the program's own."""
    if name in _reported:
        return
    _reported.add(name)
    from difflib import get_close_matches

    synonym = _SYNONYMS.get(name.removeprefix(PREFIX))
    short = [each.removeprefix(PREFIX) for each in known]
    similar = [synonym] if synonym else get_close_matches(name.removeprefix(PREFIX), short, n=1, cutoff=0.75)
    if similar:
        import logging

        logger = logging.getLogger("jobdeck.settings")
        logger.warning("%s is no setting of jobdeck, and has no effect; did you mean %s?", name, PREFIX + similar[0])


@record(kw_only=True)
class Settings:
    """All settings. `Settings.load()` reads them; tests and programs may also create them directly."""

    database: str = _setting(
        default_database,
        _text,
        "the database: a path, sqlite:///path, postgresql://user@host/name, or http://host:port of an HTTP API;"
        " a file in your data folder if not set",
        secret=True,
    )
    token: str = _setting("", _text, "token of the HTTP API that the database names", secret=True)
    app: tuple[str, ...] = _setting((), _names, "modules that define your kinds, comma-separated")
    queues: tuple[str, ...] = _setting((), _names, "queues that a worker serves, comma-separated; empty means all")
    threads: int = _setting(4, _whole(0, 1000), "worker threads per process")
    coroutines: int = _setting(
        100, _whole(1, 100_000), "async handlers that run concurrently per process, in addition to its threads"
    )
    processes: int = _setting(0, _whole(0, 256), "child processes that run handlers, each with its own threads; 0 means none")
    max_attempts: int = _setting(5, _whole(1, 1000), "maximum attempts of a job, unless its kind sets another number")
    timeout: float = _setting(0.0, _seconds(0, _YEAR), "timeout of an attempt in seconds; 0 means no limit")
    lease: float = _setting(30.0, _seconds(0.2, 86400), "lease in seconds: how long a claim lasts without a heartbeat")
    heartbeat: float = _setting(0.0, _seconds(0, 86400), "seconds between heartbeats; 0 means a third of the lease")
    shutdown_grace: float = _setting(25.0, _seconds(0, 86400), "seconds that running jobs have to finish on shutdown")
    ageing: float = _setting(
        0.0, _seconds(0, _YEAR), "seconds of waiting that raise a job's effective priority by 1; 0 disables ageing"
    )
    retention: float = _setting(
        7 * 86400.0, _seconds(0, 100 * _YEAR), "seconds to keep completed and cancelled jobs; 0 keeps them forever"
    )
    # Failed jobs are few, and the ones that need attention.
    retention_failed: float = _setting(
        30 * 86400.0, _seconds(0, 100 * _YEAR), "seconds to keep failed jobs; 0 keeps them forever"
    )
    retention_count: int = _setting(
        1_000_000, _whole(0, 10**12), "number of the newest jobs to keep in each final state; 0 means no limit"
    )
    max_args_bytes: int = _setting(65536, _whole(2, 2**24), "maximum size of a job's arguments, in bytes of JSON")
    synchronous: str = _setting("FULL", _choice("FULL", "NORMAL", "OFF", upper=True), "SQLite durability: FULL, NORMAL or OFF")
    log_level: str = _setting(
        "INFO", _choice("DEBUG", "INFO", "WARNING", "ERROR", upper=True), "log level: DEBUG, INFO, WARNING or ERROR"
    )
    log_format: str = _setting("text", _choice("text", "json"), "log format: text or json")

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, *, folder: Path | None = None, **given: Any) -> Self:
        """Read the settings: `given` takes precedence over `environ`, and `environ` over `.env` in `folder`.

        Args:
            environ: the environment variables; those of the process if `None`.
            folder: the folder with the `.env` file, if any; the current folder if `None`.
            given: settings by field name, of the field's type; `None` counts as not given.

        Raises:
            InvalidSetting: a variable has an invalid value.
        """
        path = (folder or Path()) / ".env"
        source = {**read_dotenv(path, PREFIX), **(os.environ if environ is None else environ)}
        values: dict[str, Any] = {}
        known = {PREFIX + each.name.upper() for each in fields(cls)}
        for name in source:
            if name.startswith(PREFIX) and name not in known and name not in _OTHERS:
                _report_unknown(name, known)
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
        """The seconds between two heartbeats: as set, but at most a third of the lease."""
        third = self.lease / 3
        return min(self.heartbeat, third) if self.heartbeat else third

    @classmethod
    def describe(cls) -> list[tuple[str, str, str]]:
        """Return the environment variable, default and meaning of each setting."""
        rows = []
        for each in fields(cls):
            default = "" if each.name == "database" else each.default
            shown = ",".join(default) if isinstance(default, tuple) else str(default)
            rows.append((PREFIX + each.name.upper(), shown, str(each.metadata["doc"])))
        return rows
