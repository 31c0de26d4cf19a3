"""A shell in a recorded terminal that has the `jobdeck` of this checkout."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.pictures.recorder import Recorder
from tests.pictures.svg import GROUND, TEXT

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def real_terminal(size: tuple[int, int]) -> Iterator[Recorder]:
    """Start the shell, and end it with all that runs in it.

    The packages are found through links in a folder with a short name: tracebacks on the screen show where the code is.
    """
    folder = Path(tempfile.gettempdir()) / "jobdeck"
    folder.mkdir()  # an error if it exists: it may be somebody's
    try:
        for package in (ROOT / "core" / "jobdeck", ROOT / "tui" / "jobdeck_tui"):
            (folder / package.name).symlink_to(package, target_is_directory=True)
        profile = folder / "profile"
        profile.write_text(f'jobdeck() {{ "{sys.executable}" -m jobdeck_tui "$@"; }}\nPS1="$ "\n')
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("JOBDECK_", "TEXTUAL", "XDG_"))}
        environ.pop("NO_COLOR", None)
        environ |= {"PYTHONPATH": str(folder), "ENV": str(profile), "HOME": str(folder), "LOGNAME": "ann", "USER": "ann"}
        environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
        terminal = Recorder(["sh", "-i"], size, environ, ground=GROUND, text=TEXT)
        try:
            terminal.wait_for(lambda text: text.startswith("$ "))
            yield terminal
        finally:
            terminal.close()
    finally:
        shutil.rmtree(folder)
