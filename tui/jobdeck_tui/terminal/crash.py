"""Crash reports: if the cockpit itself fails, write a report to the user's log folder."""

from __future__ import annotations

import os
import time
from pathlib import Path

from platformdirs import user_log_path

from jobdeck import __version__, known_problem

from ..text.private_file import write_private_text
from ..text.sanitize import safe
from .program_log import ProgramLog


def log_folder() -> Path:
    """Return the user's folder for logs: on Linux `$XDG_STATE_HOME/jobdeck/log`, or `~/.local/state/jobdeck/log`."""
    return user_log_path("jobdeck", appauthor=False)


def write_report(error: BaseException, log: ProgramLog) -> str:
    """Write a crash report; return the message for the user."""
    what = safe(f"{type(error).__name__}: {error}".removesuffix(": ").partition("\n")[0])[:200]
    crashed = f"The cockpit crashed because of a bug ({what})"
    if (known := known_problem(error)) is not None:
        crashed = f"The cockpit crashed ({safe(known).rstrip('.')})"
    name = f"crash-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.getpid()}.log"
    try:
        folder = log_folder()
        folder.mkdir(parents=True, exist_ok=True)
        write_private_text(folder / name, _report_text(error, log))
    except RuntimeError:
        return f"{crashed}the report could not be written, because this user has no home folder; set HOME."
    except OSError as problem:
        return f"{crashed}; the report could not be written to {safe(str(log_folder()))}: {problem.strerror}."
    return f"{crashed}; the report is in {safe(str(folder / name))}."


def _report_text(error: BaseException, log: ProgramLog) -> str:
    """Return versions, traceback and the end of the program log; no values of variables, which may be secret."""
    import platform
    import traceback
    from importlib.metadata import version

    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    versions = f"jobdeck {__version__}, Textual {version('textual')}, Python {platform.python_version()}, {platform.platform()}"
    terminal = ", ".join(f"{name}={os.environ.get(name, '')}" for name in ("TERM", "COLORTERM", "LANG", "NO_COLOR"))
    entries = [
        f"{time.strftime('%H:%M:%SZ', time.gmtime(each.at))} {each.level} {each.source}: {each.text}" for each in log.entries()
    ]
    parts = [
        moment,
        versions,
        terminal,
        "",
        "".join(traceback.format_exception(error)).rstrip(),
        "",
        "The program log before the crash:",
        *(entries[-100:] or ["(empty)"]),
    ]
    return "\n".join(parts) + "\n"
