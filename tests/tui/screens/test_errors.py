"""Tests of the errors screen: the groups, the sample of one, and the actions on all jobs of a group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.tui.frozen_queue import TRACEBACK, FrozenQueue, press_keys, wait_for, wait_for_redraw
from tests.tui.workday import TRUNCATED, screen_text, toasts, watch, workday
from textual.pilot import Pilot

from jobdeck import State
from jobdeck.model.attempt_result import Failed
from jobdeck_tui.screens.confirm import ConfirmScreen
from jobdeck_tui.screens.errors import ErrorsScreen, binned
from jobdeck_tui.screens.help import HelpScreen
from jobdeck_tui.screens.job import JobScreen
from jobdeck_tui.screens.jobs import JobsScreen

Compare = Callable[..., bool]
sizes = pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")


def fail(
    still: FrozenQueue, count: int, kind: str = "mail.send_receipt", error: str = "Gone", traceback: str | None = TRACEBACK
) -> list[int]:
    """Make this many jobs of a kind fail permanently, one after another."""
    ids = []
    for n in range(count):
        still.queue.enqueue(kind, {"order_id": n, "to": "x"} if kind.startswith("mail") else {"path": f"{n}.jpg"})
        (claimed,) = still.claim(1)
        now = still.clock.now()
        still.store.completer.fail([Failed(claimed, now, now, None, error, f"no {n}", traceback)])
        still.clock.advance(1)
        ids.append(claimed.id)
    return ids


@pytest.fixture
def failed(still: FrozenQueue) -> FrozenQueue:
    """Return a queue with two groups of failed jobs, ids 1 to 3 and 4 to 5, and a pending job."""
    fail(still, 3)
    fail(still, 2, "img.resize", "Truncated", TRUNCATED)
    still.queue.enqueue("img.resize", {"path": "x.jpg"})
    return still


def errors(pilot: Pilot[Any]) -> ErrorsScreen:
    """Return the screen, which must be active."""
    assert isinstance(pilot.app.screen, ErrorsScreen)
    return pilot.app.screen


async def open_errors(pilot: Pilot[Any], *keys: str) -> ErrorsScreen:
    """Open the screen, wait for the sample, and press keys."""
    await pilot.press("7")
    await wait_for(pilot, lambda: isinstance(pilot.app.screen, ErrorsScreen) and errors(pilot).seen is not None)
    screen = errors(pilot)
    await sampled(pilot)
    for key in keys:
        await pilot.press(key)
        await sampled(pilot)
    return screen


async def sampled(pilot: Pilot[Any]) -> None:
    """Wait until the sample is of the selected group."""
    screen = errors(pilot)
    await wait_for(pilot, lambda: screen.group is None or (screen.sample is not None and screen.sample.group == screen.group))
    await pilot.pause()


def kinds(screen: ErrorsScreen) -> list[str]:
    return [row.key[0] for row in screen.query_one("#error-groups").rows]  # type: ignore[attr-defined]


def state(still: FrozenQueue, *ids: int) -> set[State]:
    return {still.queue.get(job_id).state for job_id in ids}


# -- snapshots ------------------------------------------------------------------------------------


@sizes
def test_the_errors_of_an_hour(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    workday(still)

    async def look(pilot: Pilot[Any]) -> None:
        await press_keys()(pilot)
        await open_errors(pilot, "j")
        await wait_for_redraw(pilot)

    assert snap_compare(still.app(), terminal_size=size, run_before=look)


@sizes
def test_the_errors_of_an_empty_queue(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    async def look(pilot: Pilot[Any]) -> None:
        await press_keys()(pilot)
        await open_errors(pilot)
        await wait_for_redraw(pilot)

    assert snap_compare(still.app(), terminal_size=size, run_before=look)


@sizes
def test_the_question_before_many_jobs_are_retried(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    fail(still, 25)

    async def look(pilot: Pilot[Any]) -> None:
        await press_keys()(pilot)
        await open_errors(pilot)
        await pilot.press("r")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await wait_for_redraw(pilot)

    assert snap_compare(still.app(), terminal_size=size, run_before=look)


# -- keys -----------------------------------------------------------------------------------------


def test_failures_are_grouped_and_the_selected_group_is_shown_in_full(failed: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await open_errors(pilot)
        assert kinds(screen) == ["mail.send_receipt", "img.resize"]
        told = screen_text(pilot)
        assert "smtp.py:88 send" in told
        assert "/srv/app/smtp.py:88 in send" in told
        assert "3 times" in told
        assert "✗ 3 failed · r retries the failed ones" in told
        await open_errors(pilot, "j")
        assert "Truncated in img.resize" in screen_text(pilot)
        assert "ids       5 4" in screen_text(pilot)

    watch(failed.app(), scene)


def test_enter_opens_the_job_that_failed_last_from_the_table_and_from_the_sample(failed: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await open_errors(pilot)
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
        assert pilot.app.screen.job_id == 3  # type: ignore[attr-defined]
        await pilot.press("escape")
        await open_errors(pilot, "j")
        await pilot.press("tab", "enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
        assert pilot.app.screen.job_id == 5  # type: ignore[attr-defined]

    watch(failed.app(), scene)


def test_r_retries_only_the_failed_jobs_of_the_group_and_z_undoes_it(failed: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await open_errors(pilot)
        await pilot.press("r")
        await wait_for(pilot, lambda: state(failed, 1, 2, 3) == {State.PENDING})
        await wait_for(pilot, lambda: "3 jobs will run again · z to undo" in toasts(pilot))
        assert state(failed, 4, 5) == {State.FAILED}
        await wait_for(pilot, lambda: screen.sample is not None and screen.sample.failed == 0)
        assert screen.sample is not None
        assert screen.sample.jobs == 3
        await pilot.press("z")
        await wait_for(pilot, lambda: state(failed, 1, 2, 3) == {State.FAILED})
        await pilot.press("Z")
        await wait_for(pilot, lambda: state(failed, 1, 2, 3) == {State.PENDING})

    watch(failed.app(), scene)


def test_a_group_without_failed_jobs_has_nothing_to_retry(failed: FrozenQueue) -> None:
    failed.queue.retry_many([1, 2, 3])

    async def scene(pilot: Pilot[Any]) -> None:
        await open_errors(pilot)
        await pilot.press("r")
        await wait_for(pilot, lambda: "No failed job has Gone as its latest error" in toasts(pilot))

    watch(failed.app(), scene)


def test_retrying_many_jobs_asks_first_with_their_number(still: FrozenQueue) -> None:
    ids = fail(still, 21)
    still.queue.retry(ids[0])
    more = fail(still, 1)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_errors(pilot)
        await pilot.press("r")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        assert "Retry 21 jobs?" in screen_text(pilot)
        await pilot.press("enter")  # the safe answer has the focus
        await wait_for_redraw(pilot)
        assert state(still, *ids[1:], *more) == {State.FAILED}
        await pilot.press("r")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("y")
        await wait_for(pilot, lambda: state(still, *ids, *more) == {State.PENDING})

    watch(still.app(), scene)


def test_readonly_refuses_the_retry(failed: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await open_errors(pilot)
        await pilot.press("r")
        await wait_for_redraw(pilot)
        assert "is read-only" in toasts(pilot)

    watch(failed.app(readonly=True), scene)
    assert state(failed, 1, 2, 3, 4, 5) == {State.FAILED}


def test_o_shows_the_jobs_of_the_group(failed: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await open_errors(pilot, "j")
        await pilot.press("o")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobsScreen))
        await wait_for(pilot, lambda: list(pilot.app.jobs_screen.snapshot.page.ids) == [5, 4])  # type: ignore[attr-defined]

    watch(failed.app(), scene)


def test_s_and_a_click_on_a_column_head_sort_by_count_or_last_occurrence(failed: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await open_errors(pilot)
        await open_errors(pilot, "s")
        assert kinds(screen) == ["img.resize", "mail.send_receipt"]
        assert screen.group is not None
        assert screen.group.kind == "mail.send_receipt"  # the cursor follows
        await open_errors(pilot, "s")
        assert kinds(screen) == ["mail.send_receipt", "img.resize"]
        table = screen.query_one("#error-groups")
        heads = screen_text(pilot).split("\n")[table.region.y + 1]
        await pilot.click(table, offset=(heads.index("LAST"), 1))
        assert kinds(screen) == ["img.resize", "mail.send_receipt"]

    watch(failed.app(), scene)


def test_t_opens_the_whole_traceback_and_folds_it_again(failed: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await open_errors(pilot)
        assert "1 more frame · t unfolds" in screen_text(pilot)
        await pilot.press("t")
        await wait_for(pilot, lambda: "Traceback (most recent call last)" in screen_text(pilot))
        await pilot.press("t")
        await wait_for(pilot, lambda: "1 more frame · t unfolds" in screen_text(pilot))

    watch(failed.app(), scene, size=(80, 20))


def test_y_copies_the_error_and_shift_y_the_command_that_retries_the_group(failed: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await open_errors(pilot)
        await pilot.press("y")
        assert pilot.app.clipboard == TRACEBACK
        await pilot.press("Y")
        assert pilot.app.clipboard == (
            "jobdeck retry --where 'state:failed kind:mail.send_receipt exception:Gone place:\"/srv/app/smtp.py:88 send\"'"
        )

    watch(failed.app(), scene)


def test_7_focuses_the_table_and_escape_returns_to_the_jobs(failed: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await open_errors(pilot)
        await pilot.press("tab")
        assert screen.query_one("#error-sample").has_focus
        await pilot.press("7")
        assert screen.query_one("#error-groups").has_focus
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, JobsScreen)

    watch(failed.app(), scene)


def test_every_key_is_in_the_help(failed: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await open_errors(pilot)
        await pilot.press("question_mark")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        told = pilot.app.screen.query_one("#help-text").render().plain  # type: ignore[union-attr]
        for keys in ("r", "o", "s", "t", "y", "Y", "7", "z", "Z", "1", "2", "3", "5", "⏎", "esc q"):
            assert f"\n  {keys} " in told, keys

    watch(failed.app(), scene)


def test_without_errors_each_key_shows_a_message(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await open_errors(pilot)
        assert "No failures." in screen_text(pilot)
        for key in ("r", "o", "y", "Y"):
            await pilot.press(key)
            await pilot.pause()
        assert toasts(pilot).count("No errors to select") == 1  # the same words four times are shown once
        await pilot.press("s", "t", "enter", "j", "k")
        assert isinstance(pilot.app.screen, ErrorsScreen)

    watch(still.app(), scene)


def test_new_failures_appear_automatically(failed: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await open_errors(pilot)
        failed.queue.cancel(6)
        fail(failed, 4, "img.resize", "Late", None)
        await wait_for(pilot, lambda: kinds(screen)[0] == "img.resize")
        assert screen.group is not None
        assert screen.group.error_type == "Gone"

    watch(failed.app(), scene)


def test_a_group_whose_jobs_were_deleted_says_so(failed: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await open_errors(pilot)
        failed.queue.delete_many([1, 2, 3])
        await wait_for(pilot, lambda: kinds(screen) == ["img.resize"])
        await sampled(pilot)
        assert "Truncated in img.resize" in screen_text(pilot)

    watch(failed.app(), scene)


def test_hostile_text_in_errors_stays_text(still: FrozenQueue) -> None:
    fail(
        still, 2, error="[red]\x1b[31mBad", traceback='  File "a\x1b]8;;x.py", line 1, in f\n    \u202eraise\n' + "x" * 300_000
    )
    fail(still, 1, error="No", traceback="no frame\x00 here")

    async def scene(pilot: Pilot[Any]) -> None:
        await open_errors(pilot)
        told = screen_text(pilot)
        assert "\x1b" not in told
        assert "\u202e" not in told
        assert r"[red]\x1b[31mBad" in told
        await open_errors(pilot, "t", "j")
        assert "no frame" in screen_text(pilot)
        await pilot.press("r")
        await wait_for(pilot, lambda: state(still, 3) == {State.PENDING})

    watch(still.app(), scene)


# -- without a screen -----------------------------------------------------------------------------


def plain(lines: list[Any]) -> list[str]:
    return ["".join(text for text, _ in line) for line in lines]


def test_times_are_counted_in_equal_bins() -> None:
    assert binned([0, 1, 2, 9.9, 10], 0, 10, 5) == [2, 1, 0, 0, 2]
    assert binned([5, 5], 5, 5, 3) == [2, 0, 0]
