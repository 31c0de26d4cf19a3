"""Tests of the filter and the tabs of the job table."""

from __future__ import annotations

from typing import Any

from tests.tui.frozen_queue import FrozenQueue, deck_of, wait_for, wait_for_redraw
from tests.tui.jobs_pilot import play, table, toasts
from textual.events import Paste
from textual.pilot import Pilot

from jobdeck_tui.widgets.forms.suggestions import SuggestionList
from jobdeck_tui.widgets.table.filter_bar import FilterBar, FilterLine
from jobdeck_tui.widgets.table.keyed_table import KeyedTable


def test_enter_on_a_queue_filters_by_it_and_escape_clears_the_filter(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("3", "enter")
        await wait_for(pilot, lambda: table(pilot).total == 3)
        await pilot.press("escape")
        await wait_for(pilot, lambda: table(pilot).total == 6)

    play(few.app(), scene)


def test_the_filter_applies_while_typing_enter_keeps_it_and_escape_clears_it(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"state:fail")
        await wait_for(pilot, lambda: table(pilot).total == 3)
        await pilot.press("enter")
        await wait_for_redraw(pilot)
        assert table(pilot).has_focus
        assert table(pilot).total == 3
        await pilot.press("slash", "escape")
        await wait_for(pilot, lambda: table(pilot).total == 6)

    play(few.app(), scene)


def bar(pilot: Pilot[Any]) -> FilterBar:
    found = pilot.app.jobs_screen.query_one(FilterBar)  # type: ignore[attr-defined]
    assert isinstance(found, FilterBar)
    return found


def suggested(pilot: Pilot[Any]) -> list[str]:
    shown = bar(pilot).query_one(SuggestionList)
    return [offer.text for offer in shown.offers] if shown.display else []


def told(pilot: Pilot[Any]) -> str:
    return bar(pilot).query_one("#filter-result").render_line(0).text  # type: ignore[no-any-return, attr-defined]


def test_a_filter_completes_fields_and_values_from_a_list(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"que")
        await wait_for(pilot, lambda: suggested(pilot)[:1] == ["queue:"])
        await pilot.press("tab", *"im")
        await wait_for(pilot, lambda: suggested(pilot) == ["img"])
        await pilot.press("right")
        assert bar(pilot).value == "queue:img"
        await wait_for(pilot, lambda: table(pilot).total == 3)
        assert not suggested(pilot)

    play(few.app(), scene)


def test_the_arrows_select_a_suggestion_and_enter_accepts_it(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"state:c")
        await wait_for(pilot, lambda: suggested(pilot)[:2] == ["completed", "cancelled"])
        await pilot.press("down", "down", "up", "down", "enter")
        assert bar(pilot).value == "state:cancelled"
        assert bar(pilot).line.has_focus
        await pilot.press("enter")
        assert table(pilot).has_focus

    play(few.app(), scene)


def test_arguments_and_their_values_are_completed_from_recent_jobs(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("slash")
        await wait_for(pilot, lambda: "args.order_id" in bar(pilot).words.values)
        await pilot.press(*"args.ord", "tab", "1")
        await wait_for(pilot, lambda: table(pilot).total == 1)
        assert bar(pilot).value == "args.order_id:1"

    play(few.app(), scene)


def test_a_suggestion_is_accepted_with_the_mouse(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"state:f")
        await wait_for(pilot, lambda: suggested(pilot) == ["failed"])
        await pilot.pause()
        await pilot.click("#suggestions", offset=(5, 1))
        await wait_for(pilot, lambda: bar(pilot).value == "state:failed")
        assert bar(pilot).line.has_focus

    play(few.app(), scene)


def test_the_count_is_shown_while_typing_and_an_error_is_marked_at_its_position(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"queue:img")
        await wait_for(pilot, lambda: "3 jobs match" in told(pilot))
        await pilot.press("space", *"ags:3")
        await wait_for(pilot, lambda: "unknown field 'ags'" in told(pilot))
        line = bar(pilot).line
        assert told(pilot).index("▲") == line.content_region.x - bar(pilot).region.x + len("queue:img ")
        assert table(pilot).total == 0 or table(pilot).page.problem

    play(few.app(), scene)


def test_the_arrows_recall_earlier_filters_also_by_a_part_of_them(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        for text in ("state:failed", "queue:img"):
            await pilot.press("slash", *text, "enter", "escape")
            await wait_for(pilot, lambda: table(pilot).total == 6)
        await pilot.press("slash", "up")
        await wait_for(pilot, lambda: suggested(pilot) == ["queue:img", "state:failed"])
        await pilot.press("up", "enter")
        assert bar(pilot).value == "queue:img"
        for _ in "img":
            await pilot.press("backspace")
        await pilot.press(*["backspace"] * 6, *"fail", "ctrl+r")
        await wait_for(pilot, lambda: suggested(pilot) == ["state:failed"])
        await pilot.press("tab", "enter")
        await wait_for(pilot, lambda: table(pilot).total == 3)

    app = few.app()
    play(app, scene)
    assert app.preferences.get("filters.history", []) == ["state:failed", "queue:img"]


def test_escape_clears_a_selected_suggestion_before_the_filter(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"state:f", "down", "escape")
        assert (bar(pilot).value, suggested(pilot)) == ("state:f", [])
        await pilot.press("escape")
        assert (bar(pilot).display, bar(pilot).value) == (False, "")

    play(few.app(), scene)


def test_tab_in_an_empty_filter_lists_every_field_and_down_without_suggestions_focuses_the_table(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", "tab")
        await wait_for(pilot, lambda: {"state:", "queue:", "args.order_id:"} <= set(suggested(pilot)))
        await pilot.press("escape", "slash", "down")
        assert table(pilot).has_focus

    play(few.app(), scene)


def test_a_filter_is_saved_under_a_name_reused_and_deleted(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"state:failed", "ctrl+s", *"broken", "enter")
        await wait_for(pilot, lambda: any("Saved as broken" in each for each in toasts(pilot)))
        await pilot.press("escape")
        await wait_for(pilot, lambda: table(pilot).total == 6)
        await pilot.press("F", "enter")
        await wait_for(pilot, lambda: table(pilot).total == 3)
        await pilot.press("F", "s", *"also", "enter")
        assert [row.key for row in pilot.app.screen.query_one(KeyedTable).rows] == ["also", "broken"]
        await pilot.press("D")
        assert [row.key for row in pilot.app.screen.query_one(KeyedTable).rows] == ["broken"]
        await pilot.press("escape")
        assert table(pilot).total == 3

    app = few.app()
    play(app, scene)
    assert app.preferences.get("filters.saved", {}) == {"broken": "state:failed"}


def test_saving_an_empty_filter_shows_a_message(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("F", "s")
        await wait_for(pilot, lambda: any("No filter to save" in each for each in toasts(pilot)))

    play(few.app(), scene)


def test_the_tabs_show_the_jobs_of_one_state(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("l")
        await wait_for(pilot, lambda: table(pilot).total == 3 and deck_of(pilot).page.view.tab == "pending")
        await pilot.press("h")
        await wait_for(pilot, lambda: table(pilot).total == 6)

    play(few.app(), scene)


def test_waiting_jobs_have_a_tab_with_a_count_if_there_are_any(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        tabs, header = (pilot.app.screen.query_one(each) for each in ("#tabs", "#header"))
        assert "waiting" not in tabs.render_line(0).text + header.render_line(0).text
        few.queue.enqueue("report.daily", {"day": "x"}, after=[few.queue.list("state:pending")[0].id])
        await wait_for(pilot, lambda: "waiting 1" in tabs.render_line(0).text and "waiting 1" in header.render_line(0).text)
        await pilot.press("h", "h")
        await wait_for(pilot, lambda: deck_of(pilot).page.view.tab == "waiting" and table(pilot).total == 1)

    play(few.app(), scene, (160, 40))


def test_only_matching_jobs_are_announced_as_new(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"queue:img", "enter")
        await wait_for(pilot, lambda: table(pilot).total == 3)
        await pilot.press("j")
        few.queue.enqueue_many([few.queue.new_job("report.daily", {"day": str(n)}) for n in range(20)])
        few.queue.enqueue("img.resize", {"path": "x"})
        await wait_for(pilot, lambda: table(pilot).total == 4)
        assert table(pilot).arrived == 1

    play(few.app(), scene)


def test_a_paste_of_several_lines_into_the_filter_keeps_them_all(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("slash")
        line = pilot.app.screen.query_one(FilterLine)
        line.post_message(Paste("kind:mail\nqueue:mail\n"))
        await wait_for(pilot, lambda: line.value == "kind:mail queue:mail")

    play(few.app(), scene)
