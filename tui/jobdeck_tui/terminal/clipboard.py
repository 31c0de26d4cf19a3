"""The system's clipboard, beside the terminal's own sequence (OSC 52), which not every terminal supports or allows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

from jobdeck import record

PATIENCE = 3.0
"""The maximum number of seconds that a tool may take."""


@record
class Tool:
    """A program that takes text for the clipboard on its standard input."""

    name: str
    command: tuple[str, ...]

    def copy(self, text: str) -> bool:
        """Pass the text to the tool; return whether it succeeded."""
        try:
            # These tools stay in the background to serve the text, so they must not inherit our streams.
            process = subprocess.run(
                self.command,
                input=text.encode("utf-8", "backslashreplace"),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=PATIENCE,
                start_new_session=True,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return process.returncode == 0


_WAYLAND = (("wl-copy",),)
_X11 = (("xclip", "-selection", "clipboard"), ("xsel", "--clipboard", "--input"))
_ANYWHERE = (("termux-clipboard-set",), ("clip.exe",))


def system_tool(environ: Mapping[str, str] | None = None, system: str = sys.platform) -> Tool | None:
    """Return the tool for the clipboard of this desktop; `None` if there is no desktop or no tool."""
    environ = os.environ if environ is None else environ
    candidates: list[Sequence[str]] = []
    if system == "darwin":
        candidates.append(("pbcopy",))
    if environ.get("WAYLAND_DISPLAY"):
        candidates += _WAYLAND
    if environ.get("DISPLAY"):
        candidates += _X11
    candidates += _ANYWHERE
    for command in candidates:
        if found := shutil.which(command[0], path=environ.get("PATH")):
            return Tool(command[0], (found, *command[1:]))
    return None
