"""Tests of the job table: cursor, order, columns."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from rich.style import Style
from tests.tui.frozen_queue import FrozenQueue, deck_of, wait_for, wait_for_redraw
from tests.tui.jobs_pilot import play, table, text_of
from textual.pilot import Pilot

from jobdeck import State, StoreFailed
from jobdeck_tui.feed.messages import JobsPage, View
from jobdeck_tui.screens.job import JobScreen
from jobdeck_tui.widgets.base.strips import fit_pieces, make_strip
from jobdeck_tui.widgets.table import job_rows
from jobdeck_tui.widgets.table.cells import Now
from jobdeck_tui.widgets.table.columns import COLUMNS, DEFAULT_COLUMNS, choose_columns
from jobdeck_tui.widgets.table.keyed_table import KeyedTable


def test_the_cursor_follows_the_job_and_not_the_row(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        more = [few.queue.new_job("img.resize", {"path": str(n)}) for n in range(50)]
        few.queue.enqueue_many(more)
        await wait_for(pilot, lambda: table(pilot).total == 56)
        await pilot.press("j", "j")
        assert table(pilot).chosen == 55
        few.queue.enqueue_many(more)
        await wait_for(pilot, lambda: table(pilot).total == 106)
        assert table(pilot).chosen == 55
        assert table(pilot).arrived == 50
        assert (table(pilot).row, table(pilot).top) == (51, 50)

    play(few.app(), scene)


def test_a_live_table_shows_new_jobs_as_they_arrive(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        few.queue.enqueue_many([few.queue.new_job("img.resize", {"path": str(n)}) for n in range(50)])
        await wait_for(pilot, lambda: table(pilot).total == 56)
        assert table(pilot).visible_ids()[0] == 56

    play(few.app(), scene)


def test_enter_opens_the_job_and_escape_returns_to_the_same_row(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("G", "enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.detail is not None)
        assert "ValueError: no" in text_of(pilot.app.screen, "attempts")
        await pilot.press("r")
        await wait_for(pilot, lambda: few.queue.get(1).state is State.PENDING)
        await pilot.press("escape")
        await wait_for(pilot, lambda: table(pilot).has_focus)
        assert table(pilot).chosen == 1

    play(few.app(), scene)


def test_a_frozen_view_does_not_change_until_it_is_unfrozen(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        below = pilot.app.screen.query_one("#jobs")
        assert "live" in str(below.border_subtitle)
        await pilot.press("f")
        assert "live" not in str(below.border_subtitle)
        await wait_for_redraw(pilot)
        few.queue.enqueue("img.resize", {"path": "new"})
        await wait_for_redraw(pilot)
        assert table(pilot).total == 6
        await pilot.press("f")
        await wait_for(pilot, lambda: table(pilot).total == 7)

    play(few.app(), scene)


def test_a_job_that_left_the_list_stays_selected_until_the_cursor_moves(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("l")
        await wait_for(pilot, lambda: table(pilot).total == 3)
        await pilot.press("j", "j")
        assert table(pilot).chosen == 5
        few.queue.cancel(5)
        await wait_for(pilot, lambda: table(pilot).total == 2)
        assert (table(pilot).chosen, table(pilot).gone) == (5, True)
        await pilot.press("x")  # meant for job 5, and must not hit job 4
        await wait_for_redraw(pilot)
        assert few.queue.get(4).state is State.PENDING
        await pilot.press("j")
        assert table(pilot).chosen == 4

    play(few.app(), scene)


def test_a_frozen_view_shows_each_job_as_it_was(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("f")
        await wait_for_redraw(pilot)
        few.queue.cancel(6)
        few.queue.delete(5)
        await wait_for_redraw(pilot)
        await wait_for_redraw(pilot)
        jobs = deck_of(pilot).page.jobs
        assert (jobs[6].state, jobs[5].state) == (State.PENDING, State.PENDING)

    play(few.app(), scene)


def screen(pilot: Pilot[Any]) -> Any:
    return pilot.app.jobs_screen  # type: ignore[attr-defined]


def columns(pilot: Pilot[Any]) -> list[str]:
    return [column.key for column in table(pilot).columns]


def test_s_sorts_by_the_next_column_and_shift_s_reverses_it(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("s")
        await wait_for(pilot, lambda: deck_of(pilot).page.view.sort == "kind")
        assert "by kind" in str(screen(pilot).query_one("#jobs").border_title)
        await pilot.press("S")
        await wait_for(pilot, lambda: not deck_of(pilot).page.view.descending)
        assert list(table(pilot).visible_ids()) == [4, 5, 6, 1, 2, 3]

    app = few.app()
    play(app, scene)
    assert app.preferences.get("table.sort", []) == ["kind", False]


@pytest.mark.parametrize("way", ["click", "s"])
def test_a_new_order_is_shown_from_its_first_job_whichever_was_selected(few: FrozenQueue, way: str) -> None:
    few.queue.enqueue_many([few.queue.new_job("img.resize", {"path": f"{n}.jpg"}, priority=n % 7) for n in range(300)])

    async def scene(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: table(pilot).total == 306)
        await pilot.press("G")
        await wait_for(pilot, lambda: table(pilot).job is not None and table(pilot).top > 100)
        if way == "click":
            await pilot.click("#table", offset=(4, 0))
        else:
            await pilot.press("s")
        await wait_for(pilot, lambda: deck_of(pilot).page.view.sort != "id")
        await wait_for_redraw(pilot)
        assert table(pilot).top == 0
        assert next(iter(table(pilot).visible_ids())) == deck_of(pilot).page.ids[0]

    play(few.app(), scene)


def test_a_click_on_a_column_head_sorts_by_it_and_a_second_one_reverses_it(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.click("#table", offset=(4, 0))
        await wait_for(pilot, lambda: deck_of(pilot).page.view.sort == "state")
        await pilot.click("#table", offset=(4, 0))
        await wait_for(pilot, lambda: not deck_of(pilot).page.view.descending)

    play(few.app(), scene)


@pytest.mark.parametrize("sort", ["id", "age", "wait", "args"])
def test_every_order_of_the_list_can_be_selected(few: FrozenQueue, sort: str) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("o")
        choices = pilot.app.screen.query_one(KeyedTable)
        assert choices.key == "id"
        assert choices.choose(sort) or sort == "id"
        await pilot.press("enter")
        descending = sort != "id"  # the current one is reversed
        await wait_for(pilot, lambda: deck_of(pilot).page.view.order[2:] == (sort, descending))
        assert table(pilot).total == 6

    play(few.app(), scene)


def test_the_order_is_reversed_in_its_list_or_stays_unchanged(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("o", "j", "escape")
        assert screen(pilot).view.order[2:] == ("id", True)
        await pilot.press("o", "S")
        await wait_for(pilot, lambda: deck_of(pilot).page.view.order[2:] == ("id", False))

    play(few.app(), scene)


def test_columns_are_hidden_shown_moved_and_remembered(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        assert columns(pilot) == list(DEFAULT_COLUMNS)
        await pilot.press("C", "j", "j", "space")  # the kind is hidden
        pilot.app.screen.query_one(KeyedTable).choose("wait")
        await pilot.press("space")
        pilot.app.screen.query_one(KeyedTable).choose("age")
        await pilot.press("K", "shift+up", "J", "enter")
        await wait_for(
            pilot, lambda: columns(pilot) == ["state", "id", "queue", "priority", "age", "attempt", "took", "detail", "wait"]
        )
        assert "WAIT" in table(pilot).render_line(0).text

    app = few.app()
    play(app, scene, size=(160, 40))
    assert app.preferences.get("table.columns", [])[-1] == "wait"

    async def again(pilot: Pilot[Any]) -> None:
        assert table(pilot).keys[-1] == "wait"
        await pilot.press("C", "0", "enter")
        await wait_for(pilot, lambda: table(pilot).keys == DEFAULT_COLUMNS)
        await pilot.press("C", "space", "escape")
        assert table(pilot).keys == DEFAULT_COLUMNS

    later = few.app()
    later.preferences = app.preferences
    play(later, again, size=(160, 40))


def test_the_last_column_cannot_be_hidden(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("C", *["space"] * 9, "enter")
        await pilot.pause()
        assert len(table(pilot).keys) == 1

    play(few.app(), scene)


def test_invalid_preferences_mean_the_defaults(few: FrozenQueue) -> None:
    app = few.app()
    app.preferences.put("table.columns", ["nonsense", 7])
    app.preferences.put("table.sort", ["nonsense", "yes"])
    app.preferences.put("filters.history", [1, "state:failed"])

    async def scene(pilot: Pilot[Any]) -> None:
        assert columns(pilot) == list(DEFAULT_COLUMNS)
        assert screen(pilot).view.sort == "id"
        await pilot.press("slash", "up")
        assert screen(pilot).query_one("#suggestions").offers[0].text == "state:failed"

    play(app, scene)


@pytest.mark.parametrize("width", [58, 78, 98, 118, 158, 198, 298])
@pytest.mark.parametrize("keys", [DEFAULT_COLUMNS, tuple(COLUMNS), tuple(reversed(COLUMNS)), ("id",), ("kind", "tags")])
def test_columns_fit_whatever_is_selected(few: FrozenQueue, width: int, keys: tuple[str, ...]) -> None:
    chosen = choose_columns(width, few.queue.list(), keys, Now(few.clock.now()), "priority")
    assert chosen
    taken = 2 + sum(cells for _, cells in chosen) + len(chosen) - 1
    assert taken <= width or len(chosen) == 1
    order = [column.key for column, _ in chosen]
    assert order == [key for key in keys if key in order]


@pytest.mark.parametrize(
    ("width", "keys"), [(58, "state id kind age detail"), (78, "state id kind priority attempt age detail")]
)
def test_the_detail_column_is_never_only_a_few_letters_wide(few: FrozenQueue, width: int, keys: str) -> None:
    columns = choose_columns(width, few.queue.list(), DEFAULT_COLUMNS)
    assert [column.key for column, _ in columns] == keys.split()
    assert columns[-1][1] >= 8


@pytest.mark.parametrize("width", [98, 138, 142, 198])
def test_cells_are_aligned_with_their_column_head(few: FrozenQueue, width: int) -> None:
    now = Now(few.clock.now())
    keys = ("id", "kind", "created", "detail", "worker", "tags")
    (job,) = few.queue.list(limit=1)
    columns = choose_columns(width, [job], keys, now)
    assert [column.key for column, _ in columns] == list(keys)
    styles: Any = lambda _: Style()  # noqa: E731
    heads = make_strip(job_rows.heads(columns, JobsPage(View()), styles), width, Style()).text
    row = make_strip(job_rows.row(job, columns, now, styles, cursor=False, marked=False), width, Style()).text
    for head, value in (("KIND", job.kind), ("DETAIL", "path="), ("WORKER", "—"), ("TAGS", "—")):
        assert row[heads.index(head) :].startswith(value), row
    assert row.rstrip().endswith("—"), "the last column is not cut"


def test_cut_text_ends_with_an_ellipsis_wherever_its_pieces_meet() -> None:
    pieces = [("weekdays", Style()), (" UTC", Style())]
    assert "".join(text for text, _ in fit_pieces(pieces, 12)) == "weekdays UTC"
    assert "".join(text for text, _ in fit_pieces(pieces, 10)) == "weekdays …"
    assert "".join(text for text, _ in fit_pieces(pieces, 8)) == "weekday…"
    assert "".join(text for text, _ in fit_pieces([("ab", Style()), ("  ", Style())], 2)) == "ab"
    assert "".join(text for text, _ in fit_pieces([("日本", Style()), ("x", Style())], 4)) == "日 …"
    assert "".join(text for text, _ in fit_pieces([], 3)) == "   "


def test_the_old_rows_stay_while_another_list_is_loading(few: FrozenQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    ids, asked = few.queue.ids, []

    def slowly(condition: Any, **how: Any) -> Any:
        asked.append(how.get("sort"))
        if how.get("sort") in ("kind", "queue", "priority"):
            assert go_on.wait(20)
        return ids(condition, **how)

    async def scene(pilot: Pilot[Any]) -> None:
        monkeypatch.setattr(few.queue, "ids", slowly)
        await pilot.press("s")
        await wait_for(pilot, lambda: deck_of(pilot).page.reading)
        assert "loading" in str(screen(pilot).query_one("#jobs").border_subtitle)
        assert list(table(pilot).visible_ids()) == [6, 5, 4, 3, 2, 1]
        before = deck_of(pilot)
        await wait_for(pilot, lambda: deck_of(pilot).overview is not before.overview)  # everything else continues
        await pilot.press("s")
        await pilot.pause(0.3)
        await pilot.press("s")  # replaces the previous request, which had not started
        await pilot.pause(0.3)
        go_on.set()
        await wait_for(pilot, lambda: deck_of(pilot).page.view.sort == "priority" and not deck_of(pilot).page.reading)
        assert [sort for sort in asked if sort != "id"][:2] == ["kind", "priority"]

    play(few.app(), scene)


def test_a_list_that_cannot_be_read_is_reported_and_retried(few: FrozenQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    ids, broken = few.queue.ids, threading.Event()
    broken.set()

    def now_and_then(condition: Any, **how: Any) -> Any:
        if how.get("sort") == "kind" and broken.is_set():
            raise StoreFailed("jobs.db", "the disk is on fire")
        return ids(condition, **how)

    async def scene(pilot: Pilot[Any]) -> None:
        monkeypatch.setattr(few.queue, "ids", now_and_then)
        await pilot.press("s")
        await wait_for(pilot, lambda: "on fire" in screen(pilot).query_one("#header").render_line(0).text)
        assert table(pilot).total == 6
        broken.clear()
        await wait_for(pilot, lambda: deck_of(pilot).page.view.sort == "kind")

    play(few.app(), scene)


def test_the_cursor_moves_by_lines_by_pages_and_to_the_ends(few: FrozenQueue) -> None:
    few.queue.enqueue_bulk("img.resize", [{"path": str(n)} for n in range(200)])

    async def scene(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: table(pilot).total == 206)
        rows = table(pilot).rows
        for key, row in (
            ("j", 0), ("down", 1), ("k", 0), ("j", 1), ("up", 0), ("pagedown", rows), ("ctrl+d", 2 * rows), ("pageup", rows),
            ("ctrl+u", 0), ("G", 205), ("home", 0), ("end", 205), ("g", 0),
        ):  # fmt: skip
            await pilot.press(key)
            assert table(pilot).row == row, key
        assert "1 of 206" in str(screen(pilot).query_one("#jobs").border_subtitle)
        await pilot.press("escape")
        assert table(pilot).live

    play(few.app(), scene)


def test_digits_focus_panels_and_arrows_change_tabs(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        for digit, panel in (("1", "throughput"), ("2", "latency"), ("3", "queues"), ("4", "workers"), ("5", "table")):
            await pilot.press(digit)
            assert pilot.app.focused is not None
            assert pilot.app.focused.id == panel
        await pilot.press("right")
        await wait_for(pilot, lambda: deck_of(pilot).page.view.tab == "pending")
        await pilot.press("left")
        await wait_for(pilot, lambda: deck_of(pilot).page.view.tab == "all")

    play(few.app(), scene)


def test_a_double_click_opens_a_job(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.click("#table", offset=(10, 2), times=2)
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.job_id == 5)

    play(few.app(), scene)
