"""The progress of a job in the table and in words: bar, share, time left, message."""

from __future__ import annotations

from jobdeck import Job, State
from jobdeck_tui.text.progress import bar, describe_progress
from jobdeck_tui.widgets.table.cells import Now, detail, progress

JOB = Job(
    id=7, kind="render", args_json='{"film":"x"}', queue="default", priority=0, state=State.RUNNING, attempt=1, max_attempts=3,
    created_at=1.0, scheduled_at=1.0, started_at=100.0, progress=0.4, progress_message="frame 3 of 8",
)  # fmt: skip


def test_a_bar_shows_any_share_above_zero() -> None:
    assert [bar(share, 4) for share in (0.0, 0.01, 0.5, 1.0)] == ["╌╌╌╌", "━╌╌╌", "━━╌╌", "━━━━"]


def test_a_running_job_shows_its_share_the_time_left_and_what_its_handler_says() -> None:
    assert describe_progress(JOB, 120.0) == "40% · ~30s left · frame 3 of 8"
    assert describe_progress(JOB, 100.5) == "40% · frame 3 of 8"
    assert "".join(text for text, _ in detail(JOB, Now(120.0))) == "━━━━╌╌╌╌╌╌  40%  ~30s left · frame 3 of 8 · film=x"
    assert progress(JOB, Now(120.0)) == "━━╌╌╌╌  40% ~30s left"
