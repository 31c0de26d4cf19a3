"""The cockpit in the hand: what each key does to the queue, and what the screen then shows."""

from __future__ import annotations

import asyncio
import re
import shlex
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest
from tests.core.helpers import wait_until
from tests.tui.still import Still, deck_of, seen, settled, steps
from textual.pilot import Pilot

from jobdeck import Queue, Registry, Settings, State, context
from jobdeck.registry import job
from jobdeck_tui.app import Cockpit, command_of
from jobdeck_tui.feed import Feed
from jobdeck_tui.forms.values import read_value
from jobdeck_tui.messages import Snapshot, Trouble
from jobdeck_tui.screens.confirm import ConfirmScreen
from jobdeck_tui.screens.help import HelpScreen
from jobdeck_tui.screens.job import JobScreen
from jobdeck_tui.screens.leave import LeaveScreen
from jobdeck_tui.screens.new_job import NewJobScreen
from jobdeck_tui.screens.why import WhyScreen
from jobdeck_tui.widgets.field import Field

Scene = Callable[[Pilot[Any]], Awaitable[None]]


def play(app: Cockpit, scene: Scene, size: tuple[int, int] = (120, 40)) -> None:
    """Run the app without a terminal, wait for the first snapshot, and play the scene."""

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await steps()(pilot)
            await scene(pilot)
        app.feed.end()

    asyncio.run(run())


def toasts(pilot: Pilot[Any]) -> list[str]:
    return [note.message for note in pilot.app._notifications]  # the toasts that are shown; there is no public list


def table(pilot: Pilot[Any]) -> Any:
    return pilot.app.jobs_screen.table  # type: ignore[attr-defined]


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


def test_until_a_job_is_chosen_no_key_can_hit_one(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("x", "r", "plus")
        await settled(pilot)
        assert "Choose a job first" in toasts(pilot)[0]

    play(few.app(), scene)
    assert few.queue.overview().counts == {State.FAILED: 3, State.PENDING: 3}


def test_x_cancels_the_chosen_job(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "x")
        await seen(pilot, lambda: few.queue.get(6).state is State.CANCELLED)
        await seen(pilot, lambda: any("Job 6 cancelled" in each for each in toasts(pilot)))

    play(few.app(), scene)


def test_r_retries_all_marked_jobs_at_once(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("G", "space", "k", "k", "space", "r")
        await seen(pilot, lambda: few.queue.get(1).state is State.PENDING)
        await settled(pilot)
        assert not table(pilot).marks

    play(few.app(), scene)
    assert few.queue.get(1).state is State.PENDING
    assert [few.queue.get(each).state for each in (2, 3)].count(State.PENDING) == 1


def test_a_range_is_marked_from_the_newest_mark_to_the_cursor(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "space", "j", "j", "ctrl+at")
        await seen(pilot, lambda: len(table(pilot).marks) >= 3)
        assert table(pilot).marks == {6, 5, 4, 3}

    play(few.app(), scene)


def test_plus_and_minus_change_the_priority(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "plus", "plus", "plus", "minus")
        await seen(pilot, lambda: few.queue.get(6).priority == 2)

    play(few.app(), scene)


def test_w_says_why_a_job_does_not_run_and_goes_on_checking(few: Still) -> None:
    few.queue.pause("img")

    def told(pilot: Pilot[Any]) -> str:
        assert isinstance(pilot.app.screen, WhyScreen)
        return pilot.app.screen.told

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "w")
        await seen(pilot, lambda: "Job 6 cannot start: queue img has been paused" in told(pilot))
        assert "jobdeck resume img" in told(pilot)
        assert "✗ No worker is alive." in told(pilot)
        few.queue.resume("img")
        few.beat()
        await seen(pilot, lambda: "nothing stands in its way" in told(pilot))
        assert "Starts now" in told(pilot)
        few.queue.delete(6)
        await seen(pilot, lambda: "is gone" in told(pilot))
        await pilot.press("escape")
        assert not isinstance(pilot.app.screen, WhyScreen)

    play(few.app(readonly=True), scene)


def test_w_works_on_the_screen_of_a_job_too(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("G", "enter", "w")
        await seen(pilot, lambda: "Job 1 failed" in getattr(pilot.app.screen, "told", ""))
        await pilot.press("w")
        assert isinstance(pilot.app.screen, JobScreen)

    play(few.app(), scene)


def test_hostile_text_in_the_answer_stays_text(still: Still) -> None:
    queue = "[red]q[/red]"
    still.queue.enqueue("img.resize", {"path": "x"}, queue=queue)
    still.queue.pause(queue)

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "w")
        await seen(pilot, lambda: f"queue {queue} has been paused" in getattr(pilot.app.screen, "told", ""))

    play(still.app(), scene)


def test_what_cannot_be_done_is_said_with_the_reason(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("G", "x")
        await seen(pilot, lambda: any("Job 1 is failed" in each for each in toasts(pilot)))

    play(few.app(), scene)


def test_p_pauses_the_queue_of_the_chosen_job_and_resumes_it(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "p")
        await seen(pilot, lambda: [queue.name for queue in few.queue.queues() if queue.paused] == ["img"])
        await settled(pilot)
        await pilot.press("p")
        await seen(pilot, lambda: not any(queue.paused for queue in few.queue.queues()))

    play(few.app(), scene)


def test_a_queue_is_paused_in_its_own_panel(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("3", "j", "p")
        await seen(pilot, lambda: [queue.name for queue in few.queue.queues() if queue.paused] == ["mail"])

    play(few.app(), scene)


def test_enter_on_a_queue_filters_by_it_and_escape_shows_all_again(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("3", "enter")
        await seen(pilot, lambda: table(pilot).total == 3)
        await pilot.press("escape")
        await seen(pilot, lambda: table(pilot).total == 6)

    play(few.app(), scene)


def test_deleting_asks_with_the_count_and_the_safe_answer_has_the_focus(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "space", "space", "D")
        await seen(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        assert pilot.app.focused is not None
        assert pilot.app.focused.id == "no"
        await pilot.press("enter")
        await settled(pilot)
        assert few.queue.count() == 6
        await pilot.press("D", "y")
        await seen(pilot, lambda: few.queue.count() == 4)

    play(few.app(), scene)


def test_z_takes_the_newest_act_back_and_shift_z_does_it_again(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "plus", "x")
        await seen(pilot, lambda: few.queue.get(6).state is State.CANCELLED)
        await seen(pilot, lambda: any("Job 6 cancelled · z undoes" in each for each in toasts(pilot)))
        await pilot.press("z")
        await seen(pilot, lambda: few.queue.get(6).state is State.PENDING)
        await seen(pilot, lambda: "Undone: cancelled job 6" in toasts(pilot))
        await pilot.press("z")
        await seen(pilot, lambda: few.queue.get(6).priority == 0)
        await pilot.press("Z")
        await seen(pilot, lambda: few.queue.get(6).priority == 1)
        await pilot.press("Z")
        await seen(pilot, lambda: few.queue.get(6).state is State.CANCELLED)
        await seen(pilot, lambda: "Done again: cancelled job 6" in toasts(pilot))

    play(few.app(), scene)


def test_one_job_is_deleted_without_a_question_because_z_brings_it_back(few: Still) -> None:
    before = few.queue.get(1)

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("G", "D")
        await seen(pilot, lambda: few.queue.count() == 5)
        await pilot.press("z")
        await seen(pilot, lambda: few.queue.count() == 6)
        await pilot.press("3", "j", "p")
        await seen(pilot, lambda: any(queue.paused for queue in few.queue.queues()))
        await pilot.press("z")
        await seen(pilot, lambda: not any(queue.paused for queue in few.queue.queues()))

    play(few.app(), scene)
    assert few.queue.get(1) == before
    assert few.queue.attempts(1)[0].message == "no"


def test_z_says_why_a_job_cannot_be_taken_back_and_what_others_did_stays(few: Still) -> None:
    few.queue.cancel(4, who="ben")

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("z")
        await seen(pilot, lambda: any("There is nothing of" in each for each in toasts(pilot)))
        await pilot.press("j", "x")
        await seen(pilot, lambda: few.queue.get(6).state is State.CANCELLED)
        few.queue.retry(6, who="ben")
        await pilot.press("z")
        await seen(pilot, lambda: "Not undone: cancelled job 6. Job 6 was retried since." in toasts(pilot))

    play(few.app(), scene)
    assert few.queue.get(4).state is State.CANCELLED


def test_an_opened_job_is_deleted_and_brought_back_in_its_place(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("G", "enter")
        await seen(pilot, lambda: getattr(pilot.app.screen, "detail", None) is not None)
        await pilot.press("D")
        await seen(pilot, lambda: pilot.app.screen.detail.job is None)  # type: ignore[attr-defined]
        await pilot.press("z")
        await seen(pilot, lambda: pilot.app.screen.detail.job is not None)  # type: ignore[attr-defined]
        await pilot.press("r")
        await seen(pilot, lambda: few.queue.get(1).state is State.PENDING)
        await pilot.press("z")
        await seen(pilot, lambda: few.queue.get(1).state is State.FAILED)
        await pilot.press("Z")
        await seen(pilot, lambda: few.queue.get(1).state is State.PENDING)

    play(few.app(), scene)


def test_the_filter_works_while_it_is_typed_is_kept_by_enter_and_cleared_by_escape(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"state:fail")
        await seen(pilot, lambda: table(pilot).total == 3)
        await pilot.press("enter")
        await settled(pilot)
        assert table(pilot).has_focus
        assert table(pilot).total == 3
        await pilot.press("slash", "escape")
        await seen(pilot, lambda: table(pilot).total == 6)

    play(few.app(), scene)


def test_a_filter_completes_fields_and_values(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"que")
        await pilot.pause(0.1)
        await pilot.press("right", *"im")
        await pilot.pause(0.1)
        await pilot.press("right")
        await seen(pilot, lambda: pilot.app.screen.query_one("#filter").value == "queue:img")  # type: ignore[attr-defined]
        await seen(pilot, lambda: table(pilot).total == 3)

    play(few.app(), scene)


def test_the_tabs_show_the_jobs_of_one_state(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("l")
        await seen(pilot, lambda: table(pilot).total == 3 and deck_of(pilot).page.view.tab == "pending")
        await pilot.press("h")
        await seen(pilot, lambda: table(pilot).total == 6)

    play(few.app(), scene)


def test_the_cursor_follows_the_job_and_not_the_row(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        more = [few.queue.draft("img.resize", {"path": str(n)}) for n in range(50)]
        few.queue.enqueue_many(more)
        await seen(pilot, lambda: table(pilot).total == 56)
        await pilot.press("j", "j")
        assert table(pilot).chosen == 55
        few.queue.enqueue_many(more)
        await seen(pilot, lambda: table(pilot).total == 106)
        assert table(pilot).chosen == 55
        assert table(pilot).arrived == 50
        assert (table(pilot).row, table(pilot).top) == (51, 50)

    play(few.app(), scene)


def test_a_live_table_shows_the_newest_jobs_as_they_come(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        few.queue.enqueue_many([few.queue.draft("img.resize", {"path": str(n)}) for n in range(50)])
        await seen(pilot, lambda: table(pilot).total == 56)
        assert table(pilot).visible_ids()[0] == 56

    play(few.app(), scene)


def test_enter_opens_the_job_and_escape_comes_back_to_the_same_row(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("G", "enter")
        await seen(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.detail is not None)
        assert "ValueError: no" in text_of(pilot.app.screen, "attempts")
        await pilot.press("r")
        await seen(pilot, lambda: few.queue.get(1).state is State.PENDING)
        await pilot.press("escape")
        await seen(pilot, lambda: table(pilot).has_focus)
        assert table(pilot).chosen == 1

    play(few.app(), scene)


def text_of(screen: Any, panel: str) -> str:
    """Everything that a panel of lines shows."""
    view = screen.query_one(f"#{panel}")
    return "\n".join("".join(text for text, _ in told) for told in view.told)


def test_the_form_enqueues_what_was_typed(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("n")
        await seen(pilot, lambda: isinstance(pilot.app.screen, NewJobScreen))
        pilot.app.screen.query_one("#kind").value = "webhook.post"  # type: ignore[attr-defined]
        await seen(pilot, lambda: len(pilot.app.screen.query(Field)) == 11)
        await pilot.press(*"http", "tab", *"paid", "tab", *"slow", "tab", "9", "enter")
        await seen(pilot, lambda: few.queue.count() == 7)

    play(few.app(), scene)
    made = few.queue.get(7)
    assert (made.kind, made.args, made.queue, made.priority) == ("webhook.post", {"url": "http", "event": "paid"}, "slow", 9)


def test_the_form_enqueues_after_other_jobs_with_a_key_and_an_expiry(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "webhook.post", 11)
        for name, text in (("url", "u"), ("event", "e"), ("after", "5, 6"), ("unique", "k"), ("expires", "1h")):
            entry(pilot, name).value = text
        await pilot.press("enter")
        await seen(pilot, lambda: few.queue.count() == 7)

    play(few.app(), scene)
    made = few.queue.get(7)
    assert (made.unique_key, made.expires_at) == ("k", few.clock.now() + 3600)
    assert few.queue.family(7).waits_for == (5, 6)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("after", "first", "takes ids of jobs"),
        ("after", "6 99", "There is no job 99."),
        ("unique", "x" * 501, "must be a text of 1 to 500"),
        ("expires", "soon", "is not a duration"),
        ("expires", "0", "must be later"),
        ("tags", "x" * 201, "must be a word of 1 to 200"),
    ],
)
def test_the_form_says_at_the_option_what_is_wrong_with_it(few: Still, name: str, text: str, problem: str) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "webhook.post", 11)
        for key, value in (("url", "u"), ("event", "e"), (name, text)):
            entry(pilot, key).value = value
        await pilot.press("enter")
        await seen(pilot, lambda: any(problem in each for each in complaints(pilot)))
        assert isinstance(pilot.app.screen, NewJobScreen)

    play(few.app(), scene)
    assert few.queue.count() == 6


def test_the_form_tells_when_another_job_holds_the_key(few: Still) -> None:
    few.queue.enqueue("webhook.post", {"url": "u", "event": "e"}, unique="k")

    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "webhook.post", 11)
        for name, text in (("url", "u"), ("event", "e"), ("unique", "k")):
            entry(pilot, name).value = text
        await pilot.press("enter")
        await seen(pilot, lambda: any("Job 7 holds the key 'k' already" in each for each in toasts(pilot)))

    play(few.app(), scene)
    assert few.queue.count() == 7


async def form(pilot: Pilot[Any], kind: str, fields: int) -> None:
    """Open the form of a kind."""
    await pilot.press("n")
    await seen(pilot, lambda: isinstance(pilot.app.screen, NewJobScreen))
    pilot.app.screen.query_one("#kind").value = kind  # type: ignore[attr-defined]
    await seen(pilot, lambda: len(pilot.app.screen.query(Field)) == fields)


def entry(pilot: Pilot[Any], name: str) -> Any:
    """What a field of the form is filled in with."""
    return next(field.entry for field in pilot.app.screen.query(Field) if field.key == name)


def test_a_job_is_opened_with_its_parents_children_key_batch_and_expiry(few: Still) -> None:
    job = {"url": "u", "event": "e"}
    few.queue.enqueue_batch([few.queue.draft("webhook.post", job, after=[6], unique="one a day", expires=7200)], name="b")
    few.queue.enqueue_many([few.queue.draft("webhook.post", job, after=[7])] * 11)

    async def scene(pilot: Pilot[Any]) -> None:
        pilot.app.open_job(7)  # type: ignore[attr-defined]
        await seen(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.detail is not None)
        facts = text_of(pilot.app.screen, "facts")
        for told in ("unique    one a day", "batch     1", "in 2h00m", "after     6  ○ pending", "if one fails: cancel"):
            assert told in facts
        assert "before    8  ◌ waiting" in facts
        assert "and 3 more" in facts
        assert "waits for job 6 to complete" in str(pilot.app.screen.query_one("#job-title").render_line(1).text)

    play(few.app(), scene)


def test_where_priorities_age_an_opened_job_tells_what_its_own_counts_as(few: Still) -> None:
    few.queue.settings = replace(few.queue.settings, ageing=60.0)
    few.clock.advance(600)

    async def scene(pilot: Pilot[Any]) -> None:
        pilot.app.open_job(6)  # type: ignore[attr-defined]
        await seen(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.detail is not None)
        assert re.search(r"priority  -?\d+  counts as -?\d+ by its age", text_of(pilot.app.screen, "facts"))

    play(few.app(), scene)


def test_a_limited_queue_has_a_mark_and_the_chosen_one_tells_its_limits(few: Still) -> None:
    few.queue.limit("img", running=2, rate=100, period=60)
    few.queue.pause("img")

    async def scene(pilot: Pilot[Any]) -> None:
        panel = pilot.app.screen.query_one("#queues")
        shown = [panel.render_line(y).text for y in range(panel.size.height)]
        assert [line.split()[1] for line in shown if line.startswith(" img")] == ["≤"]
        assert not any("≤" in line for line in shown if not line.startswith(" img"))
        await pilot.press("3")
        for _ in shown:
            if "2 at once, 100 per 1m" in str(panel.border_subtitle):
                break
            await pilot.press("j")
        assert "2 at once, 100 per 1m" in str(panel.border_subtitle)
        await pilot.press("5")
        await seen(pilot, lambda: "at once" not in str(panel.border_subtitle))

    play(few.app(), scene)


def test_the_form_names_what_is_missing_and_stays_open(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("n")
        await seen(pilot, lambda: isinstance(pilot.app.screen, NewJobScreen))
        pilot.app.screen.query_one("#kind").value = "mail.send_receipt"  # type: ignore[attr-defined]
        await seen(pilot, lambda: len(pilot.app.screen.query(Field)) == 13)
        await pilot.press("enter")
        await seen(pilot, lambda: "is missing" in str(pilot.app.screen.query(".field-problem").first().render()))
        assert isinstance(pilot.app.screen, NewJobScreen)

    play(few.app(), scene)
    assert few.queue.count() == 6


def test_a_form_that_comes_filled_in_accuses_nobody_until_something_is_typed(few: Still) -> None:
    @job(name="a.square", registry=few.queue.registry)
    def square(side: int, scale: int = 640) -> None:
        """Draw a square."""

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("n")
        await seen(pilot, lambda: isinstance(pilot.app.screen, NewJobScreen) and pilot.app.screen.query(Field))
        await settled_form(pilot)
        assert complaints(pilot) == []
        await pilot.press("tab", "1")
        await seen(pilot, lambda: complaints(pilot) == ["✗ is missing"])
        pilot.app.screen.query_one("#kind").value = "webhook.post"  # type: ignore[attr-defined]
        await seen(pilot, lambda: len(pilot.app.screen.query(Field)) == 11)
        await settled_form(pilot)
        assert complaints(pilot) == []

    async def settled_form(pilot: Pilot[Any]) -> None:
        for _ in range(10):
            await pilot.pause(0.02)

    play(few.app(), scene)


def complaints(pilot: Pilot[Any]) -> list[str]:
    return [str(note.render()) for note in pilot.app.screen.query(".field-problem") if note.display]


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40)])
def test_a_form_with_many_arguments_scrolls_and_keeps_its_keys_in_sight(few: Still, size: tuple[int, int]) -> None:
    def many(
        first: Annotated[int, "a hint that takes more than the one line it would have"],
        second: int, third: int, fourth: int, fifth: int, sixth: int, seventh: int, eighth: int,
    ) -> None:  # fmt: skip
        """Take so many arguments that no small terminal shows them all, and say so in a text of two lines."""

    job(name="a.many", registry=few.queue.registry)(many)

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("n")
        await seen(pilot, lambda: isinstance(pilot.app.screen, NewJobScreen) and len(pilot.app.screen.query(Field)) == 17)
        await pilot.press("enter")
        await seen(pilot, lambda: complaints(pilot) == ["✗ is missing"])
        await pilot.press("shift+tab", "shift+tab")  # the kind, and then round to the last option
        await seen(pilot, lambda: in_sight(pilot, pilot.app.focused))
        for name in ("#kind", "#kind-doc", "#form-keys"):
            assert in_sight(pilot, pilot.app.screen.query_one(name)), name
        keys, fields = (pilot.app.screen.query_one(name).region for name in ("#form-keys", "#fields"))
        assert fields.bottom <= keys.y

    def in_sight(pilot: Pilot[Any], widget: Any) -> bool:
        inside = pilot.app.screen.query_one("#new-job").content_region
        return widget.region.area > 0 and inside.contains_region(widget.region)

    play(few.app(), scene, size)


def test_d_opens_the_form_filled_from_the_chosen_job(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "d")
        await seen(pilot, lambda: isinstance(pilot.app.screen, NewJobScreen) and len(pilot.app.screen.query(Field)) == 12)
        await pilot.press("enter")
        await seen(pilot, lambda: few.queue.count() == 7)

    play(few.app(), scene)
    assert few.queue.get(7).args == few.queue.get(6).args


def test_a_read_only_cockpit_changes_nothing_and_says_so(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "x", "r", "plus", "n", "p", "D", "z", "Z")
        await settled(pilot)
        assert any("--readonly" in each for each in toasts(pilot))
        assert pilot.app.screen is pilot.app.jobs_screen  # type: ignore[attr-defined]

    play(few.app(readonly=True), scene)
    assert few.queue.overview().counts == {State.FAILED: 3, State.PENDING: 3}


def test_a_frozen_view_holds_still_until_it_is_let_go(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("f")
        await settled(pilot)
        few.queue.enqueue("img.resize", {"path": "new"})
        await settled(pilot)
        assert table(pilot).total == 6
        await pilot.press("f")
        await seen(pilot, lambda: table(pilot).total == 7)

    play(few.app(), scene)


def test_the_id_and_the_command_are_copied_to_the_clipboard(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "y")
        assert pilot.app.clipboard == "6"
        await pilot.press("Y")
        assert pilot.app.clipboard.startswith("jobdeck enqueue img.resize --queue img --max-attempts 2 --args '{")

    play(few.app(), scene)


def test_a_copied_command_line_enqueues_the_same_job_again(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from jobdeck_tui.cli import cli

    with Queue(tmp_path / "jobs.db") as queue:
        args = {"command": ["gzip", "-9", "access log.1"], "cwd": "/tmp", "env": {"LEVEL": "9", "A": "b c"}}
        plain = queue.enqueue("shell", args, queue="files", priority=3, max_attempts=7, timeout=90, tags=["night", "log"])
        piped = queue.enqueue("shell", {"command": ["ls | wc -l"], "shell": True, "cwd": "/tmp"})
        keyed = queue.enqueue("shell", args, unique="once a day", backoff=(0.5, 90), timeout=1_234_567.0)
        queue.cancel(keyed.id)  # so that its key is free
        for made in (plain, piped, keyed):
            words = shlex.split(command_of(made))
            done = CliRunner().invoke(cli, ["--db", str(tmp_path / "jobs.db"), *words[1:]], standalone_mode=False)
            assert done.exception is None, done.output
            again = queue.list(limit=1)[0]
            assert again.id > keyed.id
            assert again.args == made.args
            options = (again.queue, again.priority, again.max_attempts, again.timeout, again.tags)
            assert options == (made.queue, made.priority, made.max_attempts, made.timeout, made.tags)
            assert (again.unique_key, again.backoff) == (made.unique_key, made.backoff)


def test_the_help_lists_every_key_of_the_screen(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        keys = {key for binding in type(pilot.app.jobs_screen).BINDINGS for key in binding.key.split(",")}  # type: ignore[attr-defined]
        await pilot.press("question_mark")
        await seen(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        from jobdeck_tui.widgets.hints import key_name

        shown = str(pilot.app.screen.query_one("#help-text").render())
        missing = {key for key in keys if key_name(key) not in shown}
        assert not missing

    play(few.app(), scene)


def test_the_palette_finds_a_command_by_its_name(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "colon")
        await pilot.pause(0.2)
        await pilot.press(*"cancel")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await seen(pilot, lambda: few.queue.get(6).state is State.CANCELLED)

    play(few.app(), scene)


def test_a_job_that_left_the_list_stays_chosen_until_the_person_moves(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("l")
        await seen(pilot, lambda: table(pilot).total == 3)
        await pilot.press("j", "j")
        assert table(pilot).chosen == 5
        few.queue.cancel(5)
        await seen(pilot, lambda: table(pilot).total == 2)
        assert (table(pilot).chosen, table(pilot).gone) == (5, True)
        await pilot.press("x")  # meant for job 5, and must not hit job 4
        await settled(pilot)
        assert few.queue.get(4).state is State.PENDING
        await pilot.press("j")
        assert table(pilot).chosen == 4

    play(few.app(), scene)


def test_marks_do_not_outlive_the_filter_they_were_made_under(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("A")
        assert len(table(pilot).marks) == 6
        await pilot.press("slash", *"queue:mail", "enter")
        await seen(pilot, lambda: table(pilot).total == 3)
        assert not table(pilot).marks

    play(few.app(), scene)


def test_cancelling_very_many_asks_with_the_count(few: Still) -> None:
    few.queue.enqueue_many([few.queue.draft("img.resize", {"path": str(n)}) for n in range(30)])

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("A", "x")
        await seen(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("escape")
        await settled(pilot)
        assert few.queue.count("state:cancelled") == 0
        await pilot.press("x", "y")
        await seen(pilot, lambda: few.queue.count("state:cancelled") == 33)

    play(few.app(), scene)


def test_what_is_announced_as_new_are_the_jobs_that_match(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"queue:img", "enter")
        await seen(pilot, lambda: table(pilot).total == 3)
        await pilot.press("j")
        few.queue.enqueue_many([few.queue.draft("report.daily", {"day": str(n)}) for n in range(20)])
        few.queue.enqueue("img.resize", {"path": "x"})
        await seen(pilot, lambda: table(pilot).total == 4)
        assert table(pilot).arrived == 1

    play(few.app(), scene)


def test_a_frozen_view_shows_each_job_as_it_was(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("f")
        await settled(pilot)
        few.queue.cancel(6)
        few.queue.delete(5)
        await settled(pilot)
        await settled(pilot)
        jobs = deck_of(pilot).page.jobs
        assert (jobs[6].state, jobs[5].state) == (State.PENDING, State.PENDING)

    play(few.app(), scene)


def test_pausing_twice_in_a_hurry_resumes(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "p", "p", "p", "p")
        await seen(pilot, lambda: len([each for each in toasts(pilot) if "img" in each]) == 4)
        assert not any(queue.paused for queue in few.queue.queues())

    play(few.app(), scene)


def test_ctrl_c_leaves_the_form_and_not_the_program(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("n")
        await seen(pilot, lambda: isinstance(pilot.app.screen, NewJobScreen))
        await pilot.press("ctrl+c")
        await seen(pilot, lambda: not isinstance(pilot.app.screen, NewJobScreen))
        assert pilot.app.is_running

    play(few.app(), scene)


def test_a_snapshot_that_comes_while_the_screen_goes_breaks_nothing(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        last = deck_of(pilot)
        await pilot.app.screen.query("Header, #table").remove()
        pilot.app.on_snapshot(Snapshot(last))  # type: ignore[attr-defined]
        pilot.app.on_trouble(Trouble("gone"))  # type: ignore[attr-defined]
        pilot.app.exit()

    app = few.app()
    play(app, scene)
    assert not app.is_running


def test_brackets_without_end_in_a_field_are_only_text() -> None:
    assert read_value("[" * 5000, "typing.Any") == "[" * 5000


def test_a_line_of_a_megabyte_is_shown_at_once(few: Still) -> None:
    lines = ["x" * 1_000_000, "漢" * 300_000, "\x1b" * 300_000]
    few.store.append_logs([(1, 1, few.clock.now(), "out", line) for line in lines], 1 << 23)

    async def scene(pilot: Pilot[Any]) -> None:
        begun = time.monotonic()
        await pilot.press("G", "enter", "3")
        await seen(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and "charactersmore" in wrapped(pilot))
        assert time.monotonic() - begun < 3

    def wrapped(pilot: Pilot[Any]) -> str:
        view = pilot.app.screen.query_one("#log")
        return "".join("".join(view.render_line(y).text.split()) for y in range(view.size.height))

    play(few.app(), scene)


# -- with worker threads of its own -------------------------------------------------------------------


@pytest.fixture
def live(tmp_path: Path) -> Any:
    """A real queue with kinds that run until they are told to stop."""
    kinds = Registry()

    @job(name="wait", registry=kinds)
    def wait() -> None:
        while True:
            context().sleep(0.05)

    @job(name="quick", registry=kinds)
    def quick(n: int) -> int:
        return n

    settings = Settings(database=str(tmp_path / "jobs.db"), synchronous="OFF", shutdown_grace=20.0)
    with Queue(settings=settings, registry=kinds) as queue:
        yield queue


def cockpit(queue: Queue, threads: int, grace: float = 20.0) -> Cockpit:
    return Cockpit(lambda post: Feed(queue, post, threads=threads), where="~/jobs.db", grace=grace)


def test_its_worker_threads_run_the_jobs(live: Queue) -> None:
    ids = [live.enqueue("quick", {"n": n}).id for n in range(20)]

    async def scene(pilot: Pilot[Any]) -> None:
        await seen(pilot, lambda: deck_of(pilot).overview.counts.get(State.COMPLETED) == 20)
        await pilot.press("q")
        await seen(pilot, lambda: not pilot.app.is_running or pilot.app._exit)

    play(cockpit(live, 4), scene)
    assert [live.get(each).result for each in ids] == list(range(20))
    assert not live.workers()


def test_the_pool_grows_and_shrinks(live: Queue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press(*["greater_than_sign"] * 5)
        await seen(pilot, lambda: deck_of(pilot).pool.threads == 7)
        await pilot.press(*["less_than_sign"] * 6)
        await seen(pilot, lambda: [worker.threads for worker in live.workers()] == [1])

    play(cockpit(live, 2), scene)


def test_leaving_with_running_jobs_asks_and_staying_goes_on(live: Queue) -> None:
    live.enqueue("wait")

    async def scene(pilot: Pilot[Any]) -> None:
        await seen(pilot, lambda: deck_of(pilot).overview.counts.get(State.RUNNING) == 1)
        await pilot.press("q")
        await seen(pilot, lambda: isinstance(pilot.app.screen, LeaveScreen))
        await pilot.press("escape")
        await seen(pilot, lambda: not isinstance(pilot.app.screen, LeaveScreen))
        assert live.get(1).state is State.RUNNING

    play(cockpit(live, 1), scene)


def test_releasing_on_leaving_gives_the_job_and_its_attempt_back(live: Queue) -> None:
    live.enqueue("wait")

    async def scene(pilot: Pilot[Any]) -> None:
        await seen(pilot, lambda: deck_of(pilot).overview.counts.get(State.RUNNING) == 1)
        await pilot.press("q")
        await seen(pilot, lambda: isinstance(pilot.app.screen, LeaveScreen))
        await pilot.press("r")
        await seen(pilot, lambda: pilot.app._exit)

    play(cockpit(live, 1), scene)
    assert (live.get(1).state, live.get(1).attempt) == (State.PENDING, 0)


def test_draining_counts_down_and_ends_when_the_last_job_has(live: Queue) -> None:
    live.enqueue("wait")

    async def scene(pilot: Pilot[Any]) -> None:
        await seen(pilot, lambda: deck_of(pilot).overview.counts.get(State.RUNNING) == 1)
        await pilot.press("q", "d")
        await seen(pilot, lambda: "s left" in str(pilot.app.screen.query_one("#leave-title").render()))
        live.cancel(1)
        await seen(pilot, lambda: pilot.app._exit)

    play(cockpit(live, 1), scene)
    wait_until(lambda: live.get(1).state is State.CANCELLED)
    assert not live.workers()


def test_a_drain_can_be_cut_short(live: Queue) -> None:
    live.enqueue("wait")

    async def scene(pilot: Pilot[Any]) -> None:
        await seen(pilot, lambda: deck_of(pilot).overview.counts.get(State.RUNNING) == 1)
        await pilot.press("q", "d")
        await seen(pilot, lambda: "s left" in str(pilot.app.screen.query_one("#leave-title").render()))
        await pilot.press("r")
        await seen(pilot, lambda: pilot.app._exit, timeout=4.0)

    play(cockpit(live, 1), scene)
    assert (live.get(1).state, live.get(1).attempt) == (State.PENDING, 0)
    assert all(attempt.late_at is None for attempt in live.attempts(1))
