from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.postgres import Server
from tests.tui.frozen_queue import FrozenQueue

HERE = Path(__file__).parent

#: Test files that check each screen key by key and picture by picture; they take twenty minutes in total. The default run
#: opens every screen and plays a whole session.
SCREENS = {
    "commands/test_web.py",
    "screens/test_break_something.py",
    "screens/test_confirm_irreversible.py",
    "screens/test_errors.py",
    "screens/test_events.py",
    "screens/test_first_run.py",
    "screens/test_form.py",
    "screens/test_guide.py",
    "screens/test_job.py",
    "screens/test_job_history.py",
    "screens/test_job_opened.py",
    "screens/test_job_stack.py",
    "screens/test_lab.py",
    "screens/test_layout.py",
    "screens/test_metrics.py",
    "screens/test_new_job.py",
    "screens/test_program_log.py",
    "screens/test_queues.py",
    "screens/test_quit.py",
    "screens/test_resize.py",
    "screens/test_schedules.py",
    "screens/test_table.py",
    "screens/test_table_actions.py",
    "screens/test_table_filter.py",
    "screens/test_table_marks.py",
    "screens/test_table_pictures.py",
    "screens/test_timeline.py",
    "screens/test_tour.py",
    "screens/test_view_screens.py",
    "screens/test_workers.py",
    "terminal/test_clipboard.py",
    "terminal/test_crash.py",
    "terminal/test_line_filters.py",
    "test_appearance.py",
    "test_frame_capture.py",
    "test_hostile_text.py",
    "test_keymap.py",
    "widgets/test_key_hints.py",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of `SCREENS`."""
    for item in items:
        if item.path.is_relative_to(HERE) and item.path.relative_to(HERE).as_posix() in SCREENS:
            item.add_marker(pytest.mark.screens)


@pytest.fixture(autouse=True)
def _same_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make every screen look the same on every machine."""
    for name in ("NO_COLOR", "TEXTUAL_THEME", "COLORTERM", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def still(tmp_path: Path) -> Iterator[FrozenQueue]:
    """Return a queue whose clock stands still."""
    made = FrozenQueue(tmp_path)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _own_config_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the tests from reading and writing the user's preferences."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config-home"))


@pytest.fixture
def few(still: FrozenQueue) -> FrozenQueue:
    """Return a queue with three failed jobs and three pending ones, ids 1 to 6."""
    for order in range(3):
        still.queue.enqueue("mail.send_receipt", {"order_id": order, "to": "x"}, max_attempts=1)
    from jobdeck.model.attempt_result import Failed

    still.store.completer.fail(
        [Failed(each, still.clock.now(), still.clock.now(), None, "ValueError", "no") for each in still.claim(9)]
    )
    for n in range(3):
        still.queue.enqueue("img.resize", {"path": f"{n}.jpg"})
    return still


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A PostgreSQL server of the module's own."""
    made = Server()
    yield made
    made.remove()
