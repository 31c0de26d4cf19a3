"""Write files that hold arguments of jobs."""

from __future__ import annotations

import os
from pathlib import Path


def write_private_text(path: Path, text: str) -> None:
    """Write a text as UTF-8. A new file is readable by its owner only; an existing one keeps its permissions.

    Raises:
        OSError: it cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with open(os.open(path, flags, 0o600), "w", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123
        file.write(text)
