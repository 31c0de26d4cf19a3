"""The cockpit's preferences, kept between sessions in a small JSON file in the user's config folder.

The file is optional: if it is missing, unreadable or damaged, the defaults apply; if it cannot be written, a warning is logged.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeVar

from platformdirs import user_config_path

logger = logging.getLogger("jobdeck.preferences")

OF_TERMINAL = ("theme", "ascii")
"""The preferences that suit the terminal and the user's eyes, whichever queue is shown: the demo keeps no others."""

T = TypeVar("T")


def config_file(name: str) -> Path | None:
    """Return a file in the user's config folder: on Linux `$XDG_CONFIG_HOME/jobdeck` or `~/.config/jobdeck`.

    `None` if the user has no home folder, as in many containers.
    """
    try:
        return user_config_path("jobdeck", appauthor=False) / name
    except RuntimeError:
        return None


class Preferences:
    """Named JSON values. Without a file they last until the program exits."""

    def __init__(self, file: Path | None = None, *, lasting: Collection[str] | None = None) -> None:
        """Read the values.

        Args:
            file: the file to keep them in; created with its folder on the first change.
            lasting: the names of the values to keep; changes of others last until the program exits. `None` keeps all.
        """
        self._file = file
        self._lasting = lasting
        self._values: dict[str, Any] = {}
        self._passing: dict[str, Any] = {}
        if file is not None:
            try:
                values = json.loads(file.read_text("utf-8"))
            except FileNotFoundError:
                pass
            except (OSError, ValueError, RecursionError) as error:
                logger.warning("%s cannot be read; using the defaults: %s", file, error)
            else:
                self._values = values if isinstance(values, dict) else {}

    def get(self, name: str, default: T) -> T:
        """Return the value of that name if it has the default's type, else the default."""
        value = self._passing.get(name, self._values.get(name, default))
        return value if isinstance(value, type(default)) else default

    def put(self, name: str, value: object) -> None:
        """Set a value. The file is replaced atomically, so it is never half written."""
        if self._lasting is not None and name not in self._lasting:
            self._passing[name] = value
            return
        if self._values.get(name) == value:
            return
        self._values[name] = value
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=self._file.parent, delete=False) as new:
                json.dump(self._values, new, indent=2, sort_keys=True)
            os.replace(new.name, self._file)  # noqa: PTH105
        except OSError as error:
            logger.warning("%s cannot be written; the change is lost when the program exits: %s", self._file, error)
