from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.tui.still import Still

#: Files of tests that go through each screen key by key and picture by picture, ten minutes all together. The usual run
#: opens every screen, and plays a whole session.
SCREENS = {
    *(
        "appearance",
        "errors",
        "events",
        "first_run",
        "hostile_text",
        "job",
        "job_stack",
        "leave",
        "metrics",
        "new_job",
        "program_log",
    ),
    *("queues", "resize", "schedules", "table", "table_acts", "table_filter", "table_marks", "table_pictures", "timeline"),
    *("hints", "web", "workers", "terminal_looks", "frame", "form", "keymap", "clipboard", "crash", "looks"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of `SCREENS`."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.stem.removeprefix("test_") in SCREENS:
            item.add_marker(pytest.mark.screens)


@pytest.fixture(autouse=True)
def _same_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every screen is drawn the same, wherever the tests run."""
    for name in ("NO_COLOR", "TEXTUAL_THEME", "COLORTERM", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def still(tmp_path: Path) -> Iterator[Still]:
    """A queue in which time stands still."""
    made = Still(tmp_path)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _no_config_of_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a person has the cockpit remember is neither read nor written by the tests."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config-home"))


@pytest.fixture
def few(still: Still) -> Still:
    """Three failed jobs and three pending ones, ids 1 to 6."""
    for order in range(3):
        still.queue.enqueue("mail.send_receipt", {"order_id": order, "to": "x"}, max_attempts=1)
    from jobdeck.jobs import Failure

    still.store.fail_jobs(
        [Failure(each, still.clock.now(), still.clock.now(), None, "ValueError", "no") for each in still.claim(9)]
    )
    for n in range(3):
        still.queue.enqueue("img.resize", {"path": f"{n}.jpg"})
    return still
