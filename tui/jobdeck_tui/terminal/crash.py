"""When the cockpit itself fails: the terminal is given back, and a file in the user's log folder says what happened."""

from __future__ import annotations

import os
import time
from pathlib import Path

from platformdirs import user_log_path

from jobdeck import __version__

from ..text.sanitize import safe
from .program_log import ProgramLog


def log_folder() -> Path:
    """The user's folder for logs: on Linux `$XDG_STATE_HOME/jobdeck/log`, or `~/.local/state/jobdeck/log`."""
    return user_log_path("jobdeck", appauthor=False)


def report(error: BaseException, log: ProgramLog) -> str:
    """Write down what happened; returns the sentence that tells the person."""
    what = safe(f"{type(error).__name__}: {error}".removesuffix(": ").partition("\n")[0])[:200]
    began = f"The cockpit has stopped by a mistake of its own ({what}); "
    name = f"crash-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.getpid()}.log"
    try:
        folder = log_folder()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(_account(error, log), "utf-8", errors="backslashreplace")
    except OSError as problem:
        return f"{began}what happened could not be written to {safe(str(log_folder()))}: {problem.strerror}."
    return f"{began}what happened is written in {safe(str(folder / name))}."


def _account(error: BaseException, log: ProgramLog) -> str:
    """Versions, traceback, and the newest of the program's log. No values of variables: they may be secret."""
    import platform
    import traceback
    from importlib.metadata import version

    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    where = f"jobdeck {__version__}, Textual {version('textual')}, Python {platform.python_version()}, {platform.platform()}"
    terminal = ", ".join(f"{name}={os.environ.get(name, '')}" for name in ("TERM", "COLORTERM", "LANG", "NO_COLOR"))
    entries = [
        f"{time.strftime('%H:%M:%SZ', time.gmtime(each.at))} {each.level} {each.source}: {each.text}" for each in log.entries()
    ]
    parts = [
        moment,
        where,
        terminal,
        "",
        "".join(traceback.format_exception(error)).rstrip(),
        "",
        "The log before it:",
        *(entries[-100:] or ["(empty)"]),
    ]
    return "\n".join(parts) + "\n"
