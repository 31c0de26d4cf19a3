"""Every promise has a row in `promises.md` that names tests which exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GUIDE = HERE.parent / "tui" / "jobdeck_tui" / "guide" / "promises.md"
ROWS = dict(re.findall(r"^\| (P\d+): (.*) \|$", (HERE / "promises.md").read_text(), re.MULTILINE))


def test_every_promise_of_the_guide_has_a_row() -> None:
    assert sorted(ROWS) == sorted(set(re.findall(r"^\*\*(P\d+) ", GUIDE.read_text(), re.MULTILINE)))
    assert len(ROWS) >= 16


@pytest.mark.parametrize("promise", ROWS)
def test_every_test_that_a_row_names_exists(promise: str) -> None:
    named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", ROWS[promise])
    assert named
    for file, test in named:
        assert f"def {test or 'test_' if not file.startswith('bench/') else 'main'}" in (HERE / file).read_text(), (file, test)
