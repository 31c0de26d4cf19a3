"""What the cockpit remembers from one session to the next, in a small JSON file in the user's config folder.

Nothing depends on it: a file that is missing, unreadable or damaged means the defaults, and one that cannot be written is
a warning in the log.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any, TypeVar

from platformdirs import user_config_path

logger = logging.getLogger("jobdeck.remembered")

T = TypeVar("T")


def config_folder() -> Path:
    """The user's config folder of jobdeck: on Linux `$XDG_CONFIG_HOME/jobdeck`, or `~/.config/jobdeck`."""
    return user_config_path("jobdeck", appauthor=False)


class Remembered:
    """Named values that JSON can hold. Without a file they last as long as the program."""

    def __init__(self, file: Path | None = None) -> None:
        """Read them.

        Args:
            file: where they are kept; made with its folder when something is first remembered.
        """
        self._file = file
        self._values: dict[str, Any] = {}
        if file is not None and file.exists():
            try:
                values = json.loads(file.read_text("utf-8"))
            except (OSError, ValueError, RecursionError) as error:
                logger.warning("%s cannot be read, and the defaults are used: %s", file, error)
            else:
                self._values = values if isinstance(values, dict) else {}

    def get(self, name: str, default: T) -> T:
        """The value of that name, if there is one of the default's type; the default otherwise."""
        value = self._values.get(name, default)
        return value if isinstance(value, type(default)) else default

    def put(self, name: str, value: object) -> None:
        """Remember a value from now on. The file is replaced as a whole: it is never half written."""
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
            logger.warning("%s cannot be written, and is not remembered: %s", self._file, error)
