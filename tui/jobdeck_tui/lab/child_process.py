"""Starts a module of this program as a process that dies with this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def start_module(
    words: Sequence[str], folder: Path, settings: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a module with its arguments, in a session of its own; its output goes to a file in the folder.

    Args:
        words: the module and its arguments.
        folder: the current folder of the process.
        settings: settings of jobdeck, by name; those of this process do not count.
        environment: further variables.
    """
    variables = {name: value for name, value in os.environ.items() if not name.startswith("JOBDECK_")}
    variables |= {f"JOBDECK_{name.upper()}": str(value) for name, value in settings.items()}
    variables |= environment or {}
    variables["PYTHONPATH"] = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path if entry)
    # -P: modules in the current folder must not shadow ours.
    command = [sys.executable, "-P", "-m", f"{__package__}.child_main", *words]
    with (folder / "output").open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
