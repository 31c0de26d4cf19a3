"""Tests of the schedules screen and its form: their content and their keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, press_keys, wait_for, wait_for_redraw
from textual.pilot import Pilot

from jobdeck import JobdeckError
from jobdeck.model.attempt_result import Completed, Failed
from jobdeck.scheduling.ticker import enqueue_due
from jobdeck.store.claim_capacity import ClaimRequest
from jobdeck_tui.screens.confirm import ConfirmScreen
from jobdeck_tui.screens.job import JobScreen
from jobdeck_tui.screens.jobs import JobsScreen
from jobdeck_tui.screens.schedule_form import ScheduleFormScreen
from jobdeck_tui.screens.schedules import HistoryTable, SchedulesScreen, ScheduleTable
from jobdeck_tui.text.cron_text import describe_cron
from jobdeck_tui.widgets.base.text_view import TextView
from jobdeck_tui.widgets.forms.checkbox import Checkbox
from jobdeck_tui.widgets.forms.field import Field

SIZES = [(80, 24), (120, 40), (200, 60)]
Compare = Callable[..., bool]
Scene = Callable[[Pilot[Any]], Awaitable[None]]

sizes = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")


def timetable(still: FrozenQueue) -> None:
    """Create six schedules with three days of history: failed jobs, a running one, a paused schedule, a broken one."""
    add = still.queue.schedules.add
    add("nightly-backup", "0 3 * * *", "shell", {"command": ["./backup.sh | gzip > shop.sql.gz"], "shell": True}, timeout=600)
    add("report", "30 7 * * MON-FRI", "report.daily", {"day": "today"}, timezone="Europe/Berlin", priority=5, tags=["finance"])
    add("thumbnails", "every 4h", "img.resize", {"path": "uploads/*.jpg", "width": 320})
    add("webhook.ping", "*/30 8-17 * * MON-FRI", "webhook.post", {"url": "https://hooks.example.com/in/7", "event": "ping"})
    add("month-end", "0 0 L * *", "report.daily", {"day": "last"}, timezone="America/New_York")
    add("sweep", "@hourly", "img.resize", {"path": "tmp"})
    for hour in range(72):
        still.clock.advance(3600 - still.clock.now() % 1800 + 5)
        enqueue_due(still.store, still.clock)
        for claimed in still.claim(100):
            now = still.clock.now()
            took = 0.2 + still.random.random()
            if still.random.random() < 0.12:
                error = ("TimeoutError", "the server did not answer within 5 s", "")
                still.store.completer.fail([Failed(claimed, now, now + took, None, *error)])
            elif hour < 71:
                still.store.completer.complete([Completed(claimed, now, now + took, None)])
    still.queue.schedules.pause("sweep")
    still.store.schedules.record_error(
        still.queue.schedules.get("month-end"), "The time zone is not known here", still.clock.now() + 60
    )
    still.clock.advance(1800)
    still.beat()


@pytest.fixture
def few(still: FrozenQueue) -> FrozenQueue:
    """Create two schedules with two jobs each: 1 and 3 of `report`, 2 and 4 of `sweep`; 1 has failed."""
    still.queue.schedules.add("report", "30 7 * * MON-FRI", "report.daily", {"day": "today"}, timezone="Europe/Berlin")
    still.queue.schedules.add("sweep", "every 10m", "img.resize", {"path": "tmp"}, tags=["clean"])
    for name in ("report", "sweep") * 2:
        still.queue.schedules.run(name)
    (first,) = still.store.claimer.claim(ClaimRequest("w:1:a", 1, kinds=("report.daily",), queues=(), lease=60.0))
    still.store.completer.fail([Failed(first, still.clock.now(), still.clock.now() + 2, None, "ValueError", "no such day")])
    return still


def play(still: FrozenQueue, scene: Scene, *, size: tuple[int, int] = (120, 40), readonly: bool = False) -> None:
    """Open the schedules and play the scene."""
    app = still.app(readonly=readonly)

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await press_keys("8")(pilot)
            await wait_for(pilot, lambda: isinstance(app.screen, SchedulesScreen) and app.screen._seen is not None)
            await scene(pilot)
        app.feed.end()

    asyncio.run(run())


def toasts(pilot: Pilot[Any]) -> list[str]:
    return [note.message for note in pilot.app._notifications]


def facts(pilot: Pilot[Any]) -> str:
    """Return the details of the selected schedule."""
    view = pilot.app.screen.query_one(TextView)
    return "\n".join("".join(text for text, _ in told) for told in view.lines)


def cells(pilot: Pilot[Any], kind: type[ScheduleTable | HistoryTable] = ScheduleTable) -> list[str]:
    """Return the lines of a table."""
    return ["  ".join("".join(text for text, _ in cell) for cell in row.cells) for row in pilot.app.screen.query_one(kind).rows]


def entry(pilot: Pilot[Any], name: str) -> Any:
    """Return the text of a field of the form."""
    return next(field.entry for field in pilot.app.screen.query(Field) if field.key == name)


def cron_text(pilot: Pilot[Any]) -> str:
    return str(pilot.app.screen.query_one("#cron-text").render())


def complaints(pilot: Pilot[Any]) -> list[str]:
    return [str(note.render()) for note in pilot.app.screen.query(".field-problem") if note.display]


async def form(pilot: Pilot[Any], *keys: str) -> None:
    """Press the keys that open the form, and wait for it."""
    await pilot.press(*keys)
    await wait_for(pilot, lambda: isinstance(pilot.app.screen, ScheduleFormScreen) and pilot.app.screen.command)


# -- the table -------------------------------------------------------------------------------------


def test_each_schedule_shows_its_time_in_words_its_next_tick_and_its_last_job(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        report, sweep = cells(pilot)
        assert report.startswith("report  every weekday at 07:30 Europe/Berlin")
        assert "every 10 minutes" in sweep
        assert "in 3m20s" in sweep
        assert report.endswith("○ 0s ago  ··················✗○")
        told = facts(pilot)
        assert "every weekday at 07:30, Europe/Berlin" in told
        assert "Mon 2025-06-16 07:30 CEST  05:30 here  in 14h23m" in told
        assert told.count("CEST") == 5
        assert '{"day": "today"}' in told
        assert "queue default · priority -5 · 3 attempts · no timeout" in told
        assert [line.split()[:3] for line in cells(pilot, HistoryTable)] == [["3", "○", "pending"], ["1", "✗", "failed"]]
        assert "ValueError: no such day" in cells(pilot, HistoryTable)[1]
        await pilot.press("j")
        await wait_for(pilot, lambda: "tags clean" in facts(pilot))
        assert [line.split()[0] for line in cells(pilot, HistoryTable)] == ["4", "2"]

    play(few, scene)


def test_p_pauses_and_resumes_the_selected_schedule_and_z_undoes_it(few: FrozenQueue) -> None:
    def paused() -> list[str]:
        return [each.name for each in few.queue.schedules.list() if each.paused]

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "p")
        await wait_for(pilot, lambda: paused() == ["sweep"])
        await wait_for(pilot, lambda: "‖ paused" in cells(pilot)[1] and "p resumes it" in facts(pilot))
        await pilot.press("z")
        await wait_for(pilot, lambda: not paused())
        await wait_for(pilot, lambda: "Undone: paused schedule sweep" in toasts(pilot))
        await pilot.press("Z")
        await wait_for(pilot, lambda: paused() == ["sweep"])
        await pilot.press("p")
        await wait_for(pilot, lambda: not paused())

    play(few, scene)


def test_shift_r_enqueues_a_job_at_once_and_names_it(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("R")
        await wait_for(pilot, lambda: "Job 5 report.daily enqueued by schedule report" in toasts(pilot))
        await wait_for(pilot, lambda: cells(pilot, HistoryTable)[0].startswith("5"))

    play(few, scene)
    assert few.queue.get(5).tags == ("schedule:report",)


@pytest.mark.parametrize("key", ["D", "delete"])
def test_deleting_asks_with_the_safe_answer_focused_and_z_undoes_it(few: FrozenQueue, key: str) -> None:
    before = few.queue.schedules.get("report")

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press(key)
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        assert pilot.app.focused is not None
        assert pilot.app.focused.id == "no"
        await pilot.press("enter")
        await wait_for_redraw(pilot)
        assert len(few.queue.schedules.list()) == 2
        await pilot.press(key, "y")
        await wait_for(pilot, lambda: [each.name for each in few.queue.schedules.list()] == ["sweep"])
        await wait_for(pilot, lambda: len(cells(pilot)) == 1)
        await pilot.press("z")
        await wait_for(pilot, lambda: few.queue.schedules.list()[0] == before)

    play(few, scene)
    assert few.queue.count() == 4


def test_o_shows_the_jobs_of_the_selected_schedule(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "o")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobsScreen))
        await wait_for(pilot, lambda: pilot.app.screen.table.total == 2)  # type: ignore[attr-defined]
        assert [*pilot.app.screen.snapshot.page.ids] == [4, 2]  # type: ignore[attr-defined]

    play(few, scene)


def test_enter_in_the_history_opens_the_newest_job_and_escape_returns(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("tab", "tab")
        assert isinstance(pilot.app.focused, HistoryTable)
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.job_id == 3)
        await pilot.press("escape")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, SchedulesScreen))
        assert isinstance(pilot.app.focused, HistoryTable)
        await pilot.press("j", "enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.job_id == 1)

    play(few, scene)


def test_the_history_keeps_the_cursor_on_the_newest_job_until_it_is_focused(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        history = pilot.app.screen.query_one(HistoryTable)
        for expected in (5, 6):
            await pilot.press("R")
            await wait_for(pilot, lambda expected=expected: history.key == expected)
        await pilot.press("tab", "tab", "j")
        assert history.key == 5
        await pilot.press("R")
        await wait_for(pilot, lambda: history.rows[0].key == 7)
        assert history.key == 5

    play(few, scene)


def test_ticks_seconds_apart_are_shown_to_the_second(few: FrozenQueue) -> None:
    few.queue.schedules.add("beat", "every 20s", "img.resize", {"path": "x"})

    async def scene(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: len(cells(pilot)) == 3 and "every 20 seconds" in facts(pilot))
        assert [line.split()[-4] for line in facts(pilot).splitlines() if " UTC  in " in line] == [
            *("15:07:00", "15:07:20", "15:07:40", "15:08:00", "15:08:20"),
        ]

    play(few, scene)


def test_shift_y_copies_the_command_that_recreates_the_schedule(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "Y")
        assert pilot.app.clipboard == (
            "jobdeck schedule add sweep 'every 10m' img.resize --args '{\"path\":\"tmp\"}'"
            " --timezone UTC --queue img --priority 0 --max-attempts 2 --timeout 0s --tag clean"
        )

    play(few, scene)


def test_the_mouse_selects_opens_and_clicks_the_hints(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.click(ScheduleTable, offset=(8, 3))
        await wait_for(pilot, lambda: "tags clean" in facts(pilot))
        hints = pilot.app.screen.query_one("#hints")
        begin = next(begin for begin, _, action in hints._places if action == "pause")  # type: ignore[attr-defined]
        await pilot.click("#hints", offset=(begin, 0))
        await wait_for(pilot, lambda: few.queue.schedules.get("sweep").paused)
        await pilot.click(HistoryTable, offset=(8, 2), times=2)
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.job_id == 4)

    play(few, scene)


def test_without_schedules_each_key_says_what_to_do(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        for key in ("p", "R", "D", "e", "enter", "o", "Y"):
            await pilot.press(key)
            assert isinstance(pilot.app.screen, SchedulesScreen)
        assert {*toasts(pilot)} == {"No schedules yet; press n to create one"}

    play(still, scene)


def test_a_readonly_cockpit_changes_no_schedule_and_says_so(few: FrozenQueue) -> None:
    before = few.queue.schedules.list()

    async def scene(pilot: Pilot[Any]) -> None:
        for key in ("n", "e", "enter", "p", "R", "D", "z", "Z"):
            await pilot.press(key)
            assert isinstance(pilot.app.screen, SchedulesScreen)
        await wait_for_redraw(pilot)
        assert {each.partition(";")[0] for each in toasts(pilot)} == {"The cockpit is read-only"}

    play(few, scene, readonly=True)
    assert few.queue.schedules.list() == before
    assert few.queue.count() == 4


def test_the_help_lists_every_key_of_the_schedules_screen(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("question_mark")
        await pilot.pause()
        shown = str(pilot.app.screen.query_one("#help-text").render())
        for told in (
            "create a schedule",
            "edit the selected schedule",
            "pause or resume the selected schedule",
            "enqueue its job now",
            "show its jobs",
            "delete the selected schedule",
            "copy the command that recreates it",
            "undo your last action",
        ):
            assert told in " ".join(shown.split()), told

    play(few, scene)


def test_a_schedule_with_hostile_text_is_drawn_harmlessly(few: FrozenQueue) -> None:
    few.queue.schedules.add("evil", "@daily", "report.daily", {"day": "\x1b]52;c;aGk=\x07[red]‮x"})
    few.store.schedules.record_error(few.queue.schedules.get("evil"), "\x1b[2J[/]", few.clock.now() + 60)

    async def scene(pilot: Pilot[Any]) -> None:
        assert "\x1b" not in facts(pilot)
        assert "\\x1b[2J[/]" in facts(pilot)
        await form(pilot, "e")
        assert pilot.app.screen.query_one("#json").display
        assert "\x1b" not in pilot.app.screen.query_one("#json").text  # type: ignore[attr-defined]
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "Schedule evil is unchanged" in toasts(pilot))

    play(few, scene)


# -- the form --------------------------------------------------------------------------------------


def test_a_schedule_is_created_with_its_time_in_words_and_ticks_shown_while_typing(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "n")
        await pilot.press(*"night", "tab", "0", "space", "3")
        await wait_for(pilot, lambda: any("must have five fields" in each for each in complaints(pilot)))
        await pilot.press("space", "asterisk", "space", "asterisk", "space", "asterisk")
        await wait_for(pilot, lambda: cron_text(pilot).startswith("every day at 03:00\nMon 2025-06-16 03:00 UTC  in 11h53m"))
        entry(pilot, "timezone").focus()
        entry(pilot, "timezone").value = ""
        await pilot.press(*"europe/berl")
        await wait_for(pilot, lambda: entry(pilot, "timezone")._suggestion == "Europe/Berlin")
        await pilot.press("right")
        await wait_for(pilot, lambda: "Mon 2025-06-16 03:00 CEST  01:00 here" in cron_text(pilot))
        entry(pilot, "kind").value = "webhook.post"
        await wait_for(pilot, lambda: any(field.key == "url" for field in pilot.app.screen.query(Field)))
        entry(pilot, "url").value = "u"
        entry(pilot, "event").value = "e"
        entry(pilot, "priority").value = "9"
        entry(pilot, "tags").value = "a b"
        await wait_for(
            pilot,
            lambda: (
                pilot.app.screen.command  # type: ignore[attr-defined]
                == "jobdeck schedule add night '0 3 * * *' webhook.post url=u event=e --timezone Europe/Berlin"
                " --priority 9 --tag a --tag b"
            ),
        )
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "Schedule night created · z to undo" in toasts(pilot))
        await wait_for(pilot, lambda: len(cells(pilot)) == 3)
        await pilot.press("z")
        await wait_for(pilot, lambda: len(few.queue.schedules.list()) == 2)
        await pilot.press("Z")

    play(few, scene)
    made = few.queue.schedules.get("night")
    assert (made.cron, made.timezone, made.kind, made.args) == (
        *("0 3 * * *", "Europe/Berlin", "webhook.post", {"url": "u", "event": "e"}),
    )
    assert (made.queue, made.priority, made.max_attempts, made.tags) == ("webhook", 9, 5, ("a", "b"))


@pytest.mark.parametrize("key", ["e", "enter"])
def test_only_edited_fields_are_changed(few: FrozenQueue, key: str) -> None:
    before = few.queue.schedules.get("report")

    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, key)
        assert entry(pilot, "name").disabled
        assert pilot.app.screen.command == "jobdeck schedule edit report"  # type: ignore[attr-defined]
        entry(pilot, "day").value = "yesterday"
        entry(pilot, "timeout").value = "5m"
        await wait_for(
            pilot,
            lambda: pilot.app.screen.command == "jobdeck schedule edit report day=yesterday --timeout 5m",  # type: ignore[attr-defined]
        )
        few.queue.schedules.edit("report", queue="night", actor="ben")  # concurrent changes stay
        await pilot.press("enter")
        await wait_for(pilot, lambda: "Schedule report edited · z to undo" in toasts(pilot))

    play(few, scene)
    after = few.queue.schedules.get("report")
    assert (after.args, after.timeout, after.queue) == ({"day": "yesterday"}, 300.0, "night")
    assert (after.cron, after.next_at, after.priority) == (before.cron, before.next_at, before.priority)


def test_an_emptied_option_means_the_kinds_default_and_another_kind_replaces_the_arguments(few: FrozenQueue) -> None:
    few.queue.schedules.edit("sweep", queue="slow", priority=3, timeout=9)

    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "j", "e")
        for name in ("queue", "priority", "timeout", "tags"):
            entry(pilot, name).value = ""
        await pilot.press("enter")
        await wait_for(pilot, lambda: few.queue.schedules.get("sweep").tags == ())
        await form(pilot, "e")
        entry(pilot, "kind").value = "report.daily"
        await wait_for(pilot, lambda: any(field.key == "day" for field in pilot.app.screen.query(Field)))
        entry(pilot, "day").value = "1"
        entry(pilot, "cron").value = "@daily"
        await wait_for(pilot, lambda: "every day at 00:00" in cron_text(pilot))
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: few.queue.schedules.get("sweep").kind == "report.daily")

    play(few, scene)
    after = few.queue.schedules.get("sweep")
    assert (after.queue, after.priority, after.timeout, after.cron, after.args) == ("default", -5, None, "@daily", {"day": "1"})


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("name", "sweep", "is taken"),
        ("name", "a b", "must be 1 to 100 letters"),
        ("cron", "0 99 * * *", "has an invalid hour '99'"),
        ("cron", "every now", "cannot be read"),
        ("cron", " ", "is missing"),
        ("timezone", "Mars/Base", "must be a name such as UTC"),
        ("priority", "high", "must be a whole number"),
        ("timeout", "soon", "is not a duration"),
        ("day", "", "is missing"),
    ],
)
def test_the_form_shows_problems_at_their_fields_and_saves_nothing(
    few: FrozenQueue, name: str, text: str, problem: str
) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "n")
        entry(pilot, "kind").value = "report.daily"
        await wait_for(pilot, lambda: any(field.key == "day" for field in pilot.app.screen.query(Field)))
        for field, value in {"name": "n", "cron": "@daily", "day": "d", name: text}.items():
            entry(pilot, field).value = value
        await pilot.press("enter")
        await wait_for(pilot, lambda: any(problem in each for each in complaints(pilot)))
        assert isinstance(pilot.app.screen, ScheduleFormScreen)
        await pilot.press("escape", "y")  # discards what was typed
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, SchedulesScreen))

    play(few, scene)
    assert len(few.queue.schedules.list()) == 2


def test_a_new_form_shows_no_problem_before_anything_is_typed(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "n")
        await wait_for_redraw(pilot)
        assert complaints(pilot) == []
        assert not pilot.app.screen.touched  # type: ignore[attr-defined]
        await pilot.press("x")
        await wait_for(pilot, lambda: complaints(pilot))

    play(few, scene)


def test_the_command_of_a_schedule_is_one_line_and_a_pipe_uses_a_shell(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "n")
        entry(pilot, "name").value = "logs"
        entry(pilot, "cron").value = "every 1h"
        entry(pilot, "kind").value = "shell"
        await wait_for(pilot, lambda: any(field.key == "command" for field in pilot.app.screen.query(Field)))
        entry(pilot, "command").value = "ls | wc -l"
        await wait_for(pilot, lambda: isinstance(entry(pilot, "shell"), Checkbox) and entry(pilot, "shell").value)
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: len(few.queue.schedules.list()) == 3)

    play(few, scene)
    assert few.queue.schedules.get("logs").args == {"command": ["ls | wc -l"], "shell": True}


def test_a_schedule_of_an_unregistered_kind_can_be_edited(few: FrozenQueue) -> None:
    few.queue.schedules.add("other", "@daily", "report.daily", {"day": "d"})
    connection = few.store._connections  # type: ignore[attr-defined]
    with connection.write_transaction() as writing:
        writing.execute("UPDATE jobdeck_schedules SET kind = 'else.where' WHERE name = 'other'")

    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "e")
        entry(pilot, "cron").value = "@hourly"
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: few.queue.schedules.get("other").cron == "@hourly")

    play(few, scene)
    assert few.queue.schedules.get("other").args == {"day": "d"}
    assert few.queue.schedules.get("other").kind == "else.where"


# -- words -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 3 * * *", "every day at 03:00"),
        ("30 7 * * MON-FRI", "every weekday at 07:30"),
        ("0 9 * * MON#1", "the first Monday of the month at 09:00"),
        ("0 9 * * MON", "every Monday at 09:00"),
        ("30 0 4 * * *", "every day at 04:00:30"),
        ("*/15 * * * *", "every 15th minute"),
        ("@daily", "every day at 00:00"),
        ("every 90s", "every 90 seconds"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_cron_expression_is_described_in_plain_words(cron: str, words: str) -> None:
    assert describe_cron(cron) == words


def test_two_hundred_schedules_are_read_within_one_polling_interval(still: FrozenQueue) -> None:
    import time

    from jobdeck_tui.feed.queries.schedules import SchedulesQuery

    for n in range(200):
        still.queue.schedules.add(f"s{n}", f"{n % 60} 3 * * MON-FRI", "img.resize", {"path": "x"}, timezone="Europe/Berlin")
    SchedulesQuery().read(still.queue)
    begun = time.monotonic()
    found = SchedulesQuery().read(still.queue)
    assert time.monotonic() - begun < 0.5
    assert len(found.schedules) == 200


# -- pictures --------------------------------------------------------------------------------------


@sizes
def test_the_schedules_of_a_busy_queue(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    timetable(still)
    assert snap_compare(still.app(), terminal_size=size, run_before=press_keys("8", "j", "j"))


@sizes
def test_a_queue_without_schedules(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    assert snap_compare(still.app(), terminal_size=size, run_before=press_keys("8"))


@pytest.mark.parametrize("size", [(60, 15), *SIZES], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_form_of_a_schedule(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    timetable(still)

    async def edit(pilot: Pilot[Any]) -> None:
        await press_keys("8", "j", "j")(pilot)
        await form(pilot, "enter")
        entry(pilot, "cron").value = "30 7 * * MON,THU"
        entry(pilot, "priority").value = "high"
        await wait_for(pilot, lambda: any("whole number" in each for each in complaints(pilot)))
        for each in pilot.app.screen.query("Input"):
            each.cursor_blink = False  # type: ignore[attr-defined]

    assert snap_compare(still.app(), terminal_size=size, run_before=edit)


def test_errors_of_the_engine_are_shown_at_their_fields() -> None:
    from jobdeck import InvalidCron, InvalidOption, UnknownKind
    from jobdeck_tui.forms.validation import error_to_problem

    cases: list[tuple[JobdeckError, dict[str, str]]] = [
        (InvalidCron("x", None, "is wrong"), {"cron": "is wrong"}),
        (InvalidOption("name of a schedule", "is wrong"), {"name": "is wrong"}),
        (InvalidOption("time", "is wrong"), {"when": "is wrong"}),
    ]
    for error, place in cases:
        assert error_to_problem(error) == place
    assert list(error_to_problem(UnknownKind("k", []))) == ["*"]
