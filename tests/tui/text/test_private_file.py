"""Files that hold arguments of jobs belong to the user alone."""

from __future__ import annotations

import os
from pathlib import Path

from jobdeck_tui.text.private_file import write_private_text


def test_a_new_file_is_private_and_an_existing_one_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "deck.svg"
    before = os.umask(0)
    try:
        write_private_text(path, "long text")
        assert path.stat().st_mode & 0o777 == 0o600
        path.chmod(0o644)
        write_private_text(path, "täxt")
    finally:
        os.umask(before)
    assert path.read_bytes() == "täxt".encode()
    assert path.stat().st_mode & 0o777 == 0o644
