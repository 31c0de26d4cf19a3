"""Tests of marks and bulk actions."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, deck_of, wait_for, wait_for_redraw
from tests.tui.jobs_pilot import play, table, toasts, weighed
from textual.pilot import Pilot

from jobdeck import State
from jobdeck.model.attempt_result import Completed
from jobdeck_tui.screens.confirm_bulk import BulkConfirmScreen


def test_r_retries_all_marked_jobs_at_once(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("G", "space", "k", "k", "space", "r")
        await wait_for(pilot, lambda: few.queue.get(1).state is State.PENDING)
        await wait_for_redraw(pilot)
        assert not table(pilot).marks

    play(few.app(), scene)
    assert few.queue.get(1).state is State.PENDING
    assert [few.queue.get(each).state for each in (2, 3)].count(State.PENDING) == 1


def test_a_range_is_marked_from_the_last_mark_to_the_cursor(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "space", "j", "j", "ctrl+at")
        await wait_for(pilot, lambda: len(table(pilot).marks.ids) >= 3)
        assert table(pilot).marks.ids == {6, 5, 4, 3}

    play(few.app(), scene)


def test_deleting_asks_with_the_count_and_focuses_the_safe_answer(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "space", "space", "D")
        await wait_for(pilot, lambda: weighed(pilot) is not None)
        assert pilot.app.focused is not None
        assert pilot.app.focused.id == "no"
        await pilot.press("enter")
        await wait_for_redraw(pilot)
        assert few.queue.count() == 6
        await pilot.press("D")
        await wait_for(pilot, lambda: weighed(pilot) is not None)
        await pilot.press("y")
        await wait_for(pilot, lambda: few.queue.count() == 4)

    play(few.app(), scene)


def test_marks_are_cleared_with_the_filter(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("A")
        assert table(pilot).marks.count(6) == 6
        await pilot.press("slash", *"queue:mail", "enter")
        await wait_for(pilot, lambda: table(pilot).total == 3)
        assert not table(pilot).marks

    play(few.app(), scene)


def test_cancelling_very_many_asks_with_the_count(few: FrozenQueue) -> None:
    few.queue.enqueue_many([few.queue.new_job("img.resize", {"path": str(n)}) for n in range(30)])

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("A", "x")
        await wait_for(pilot, lambda: weighed(pilot) is not None)
        await pilot.press("escape")
        await wait_for_redraw(pilot)
        assert few.queue.count("state:cancelled") == 0
        await pilot.press("x")
        await wait_for(pilot, lambda: weighed(pilot) is not None)
        await pilot.press("y")
        await wait_for(pilot, lambda: few.queue.count("state:cancelled") == 33)

    play(few.app(), scene)


def test_an_action_on_all_matching_jobs_is_one_change_that_z_undoes(few: FrozenQueue) -> None:
    few.queue.enqueue_bulk("img.resize", [{"path": str(n)} for n in range(1200)])
    few.queue.cancel(7)

    async def scene(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: table(pilot).total == 1206)
        await pilot.press("A", "x")
        await wait_for(pilot, lambda: weighed(pilot) is not None)
        found = weighed(pilot)
        assert found.affected == {State.PENDING: 1202}
        assert found.refused == {State.FAILED: 3, State.CANCELLED: 1}
        told = str(pilot.app.screen.query_one("#weighed").render())
        assert "1,202 will be cancelled" in " ".join(told.split())
        assert "✗ failed are already finished" in " ".join(told.split())
        await pilot.press("y")
        await wait_for(pilot, lambda: few.queue.count("state:cancelled") == 1203)
        await wait_for(pilot, lambda: any("1,202 jobs cancelled · z to undo" in each for each in toasts(pilot)))
        assert not table(pilot).marks
        await pilot.press("z")
        await wait_for(pilot, lambda: few.queue.count("state:cancelled") == 1)

    play(few.app(), scene)
    acts = few.queue.journal.entries()
    assert (acts[0].n, acts[0].undone) == (1202, 1202)
    assert len(acts) == 2


def test_marking_everything_includes_new_jobs_and_a_job_can_be_unmarked(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "A", "space")
        assert table(pilot).marks.count(table(pilot).total) == 5
        few.queue.enqueue("img.resize", {"path": "new"})
        await wait_for(pilot, lambda: table(pilot).total == 7)
        assert 7 in table(pilot).marks
        assert 6 not in table(pilot).marks
        await pilot.press("x")
        await wait_for(pilot, lambda: weighed(pilot) is not None)
        assert list(weighed(pilot).ids) == [4, 5, 7]
        await pilot.press("y")
        await wait_for(pilot, lambda: few.queue.count("state:cancelled") == 3)

    play(few.app(), scene)
    assert few.queue.get(6).state is State.PENDING


def test_a_retry_of_everything_skips_completed_jobs_unless_filtered_for(few: FrozenQueue) -> None:
    few.store.completer.complete([Completed(each, few.clock.now(), few.clock.now(), None) for each in few.claim(1)])
    few.beat()

    async def scene(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: deck_of(pilot).overview.counts.get(State.COMPLETED) == 1)
        await pilot.press("A", "r")
        await wait_for(pilot, lambda: weighed(pilot) is not None)
        assert weighed(pilot).affected == {State.FAILED: 3}
        assert weighed(pilot).refused == {State.PENDING: 2, State.COMPLETED: 1}
        assert "filter by state:completed" in str(pilot.app.screen.query_one("#weighed").render())
        await pilot.press("escape", "slash", *"state:comp", "enter")
        await wait_for(pilot, lambda: table(pilot).total == 1)
        await pilot.press("A", "r")
        await wait_for(pilot, lambda: weighed(pilot) is not None)
        assert weighed(pilot).affected == {State.COMPLETED: 1}

    play(few.app(), scene)


def test_an_action_that_applies_to_no_job_cannot_be_confirmed(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"state:failed", "enter")
        await wait_for(pilot, lambda: table(pilot).total == 3)
        await pilot.press("A", "x")
        await wait_for(pilot, lambda: weighed(pilot) is not None)
        assert "nothing to do" in str(pilot.app.screen.query_one("#weighed").render())
        await pilot.press("y")
        assert isinstance(pilot.app.screen, BulkConfirmScreen)
        await pilot.press("n")
        assert not isinstance(pilot.app.screen, BulkConfirmScreen)

    play(few.app(), scene)


def test_a_bulk_action_shows_its_progress_and_escape_stops_it(few: FrozenQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    few.queue.enqueue_bulk("img.resize", [{"path": str(n)} for n in range(3000)])
    go_on, begun = threading.Event(), threading.Event()
    change = few.queue.change_many

    def slowly(*what: Any, **how: Any) -> Any:
        changes = change(*what, **how)
        begun.set()
        assert go_on.wait(20)
        return changes

    monkeypatch.setattr(few.queue, "change_many", slowly)

    async def scene(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: table(pilot).total == 3006)
        await pilot.press("A", "x")
        await wait_for(pilot, lambda: weighed(pilot) is not None)
        await pilot.press("y")
        await wait_for(pilot, begun.is_set)
        await pilot.press("z")  # it cannot be undone while it is running
        await wait_for(pilot, lambda: any("Still cancelling 3,003 jobs" in each for each in toasts(pilot)))
        pilot.app.clear_notifications()
        await pilot.press("A", "r")
        await wait_for(pilot, lambda: any("Still cancelling 3,003 jobs" in each for each in toasts(pilot)))
        await pilot.press("escape")
        go_on.set()
        await wait_for(
            pilot, lambda: any("Stopped after 500 of 3,003 jobs. 500 jobs cancelled" in each for each in toasts(pilot))
        )
        assert few.queue.count("state:cancelled") == 500
        progress = pilot.app.jobs_screen.query_one("#progress")  # type: ignore[attr-defined]
        await wait_for(pilot, lambda: not progress.display)

    play(few.app(), scene)
    assert few.queue.journal.entries()[0].n == 500


def test_a_long_undo_is_reported_and_blocks_nothing(few: FrozenQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobdeck_tui.feed.feed._LONG", 2)
    few.queue.cancel_many([4, 5, 6])

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("z")
        await wait_for(pilot, lambda: "Undone: cancelled 3 jobs" in toasts(pilot))
        assert few.queue.count("state:pending") == 3
        await pilot.press("Z")
        await wait_for(pilot, lambda: "Redone: cancelled 3 jobs" in toasts(pilot))
        assert few.queue.count("state:cancelled") == 3

    play(few.app(), scene)


def test_marks_stay_when_the_order_changes_and_are_cleared_with_their_key(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "space", "s", "S")
        await wait_for_redraw(pilot)
        assert table(pilot).marks.ids == {6}
        await pilot.press("ctrl+backslash")
        assert not table(pilot).marks

    play(few.app(), scene)
