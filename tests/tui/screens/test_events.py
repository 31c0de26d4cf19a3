"""Tests of the events screen: the effect of each key, and snapshots."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.tui.busy_workers import lively
from tests.tui.cli_runner import CommandLine, eventually
from tests.tui.frozen_queue import FrozenQueue, press_keys, wait_for, wait_for_redraw
from tests.tui.jobs_pilot import play, toasts
from textual.pilot import Pilot

from jobdeck import Event, EventType
from jobdeck.model.attempt_result import Completed, Failed
from jobdeck_tui.feed.queries.events import EventBuffer
from jobdeck_tui.screens.events import EventsScreen
from jobdeck_tui.screens.job import JobScreen
from jobdeck_tui.text.event_format import EVENT_STYLES, EventFilter, format_details
from jobdeck_tui.widgets.table.event_list import EventList

Compare = Callable[..., bool]
sizes = pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")


def fail(still: FrozenQueue, text: str = "no") -> int:
    """Enqueue a job that fails a second later; return its id."""
    job = still.queue.enqueue("mail.send_receipt", {"order_id": 1, "to": "x"}, max_attempts=1, priority=99)
    (claimed,) = still.claim(1)
    still.clock.advance(1)
    still.store.completer.fail([Failed(claimed, still.clock.now() - 1, still.clock.now(), None, "ValueError", text)])
    return job.id


def complete(still: FrozenQueue, count: int = 1) -> None:
    for _ in range(count):
        still.queue.enqueue("img.resize", {"path": "x"}, priority=99)
        (claimed,) = still.claim(1)
        still.clock.advance(1)
        still.store.completer.complete([Completed(claimed, still.clock.now() - 1, still.clock.now())])


@pytest.fixture
def told(still: FrozenQueue) -> FrozenQueue:
    """Create two failures among completed jobs (1 and 7 of 12), and a pause."""
    fail(still, "first")
    complete(still, 5)
    fail(still, "second")
    complete(still, 5)
    still.queue.pause("img", actor="ann")
    return still


def feed(pilot: Pilot[Any]) -> EventList:
    return pilot.app.screen.query_one(EventList)


def drawn(pilot: Pilot[Any]) -> str:
    widget = feed(pilot)
    return "\n".join(widget.render_line(y).text.rstrip() for y in range(widget.size.height))


async def opened(pilot: Pilot[Any]) -> None:
    await pilot.press("9")
    await wait_for(pilot, lambda: isinstance(pilot.app.screen, EventsScreen) and feed(pilot)._seen is not None)
    await wait_for_redraw(pilot)


async def press(pilot: Pilot[Any], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await pilot.pause()
    await wait_for_redraw(pilot)


def chosen(pilot: Pilot[Any]) -> str:
    event = feed(pilot).chosen
    return "" if event is None else f"{event.type} {event.job_id}"


def test_the_view_follows_the_newest_event_at_the_bottom(told: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        lines = drawn(pilot).splitlines()
        assert "◆ operation" in lines[-1]
        assert "ann · paused queue img" in lines[-1]
        assert "✓ completed" in lines[-2]
        fail(told, "third")
        await wait_for(pilot, lambda: "✗ failed" in drawn(pilot).splitlines()[-1])
        assert "ValueError: third · took 1.0s" in drawn(pilot).splitlines()[-1]
        assert "following" in str(feed(pilot).border_title)

    play(told.app(), scene, size=(120, 20))


def test_scrolling_back_stops_following_and_counts_new_events(told: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await press(pilot, "k", "up")
        assert chosen(pilot) == "completed 11"
        before = drawn(pilot)
        fail(told)
        await wait_for(pilot, lambda: "▼ 3 new · G follows" in str(feed(pilot).border_subtitle))
        assert drawn(pilot) == before  # nothing moved
        assert "held" in str(feed(pilot).border_title)
        await press(pilot, "G")
        assert "following" in str(feed(pilot).border_title)
        assert chosen(pilot) == "failed 13"
        assert "new" not in str(feed(pilot).border_subtitle)

    play(told.app(), scene, size=(120, 20))


def test_j_and_the_page_keys_move_and_g_goes_to_the_oldest(told: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await press(pilot, "j")
        assert feed(pilot).following  # nothing is below
        await press(pilot, "g")
        assert chosen(pilot) == "enqueued 1"
        await press(pilot, "j", "down")
        assert chosen(pilot) == "enqueued 2"
        await press(pilot, "home", "pagedown")
        assert feed(pilot)._cursor == feed(pilot).size.height
        await press(pilot, "pageup")
        assert chosen(pilot) == "enqueued 1"
        await press(pilot, "ctrl+d", "ctrl+u")
        assert chosen(pilot) == "enqueued 1"
        await press(pilot, "pagedown", "pagedown", "pagedown", "pagedown")
        assert feed(pilot).following
        await press(pilot, "g", "end")
        assert feed(pilot).following

    play(told.app(), scene, size=(120, 20))


def test_n_goes_from_failure_to_failure(told: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await press(pilot, "n")
        assert chosen(pilot) == "failed 7"  # first the newest
        await press(pilot, "N")
        assert chosen(pilot) == "failed 1"
        await press(pilot, "N")
        assert any("No earlier failure" in each for each in toasts(pilot))
        await press(pilot, "n")
        assert chosen(pilot) == "failed 7"
        await press(pilot, "n")
        assert any("No later failure" in each for each in toasts(pilot))

    play(told.app(), scene)


def test_f_stops_and_resumes_following(told: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await press(pilot, "f")
        fail(told)
        await wait_for(pilot, lambda: feed(pilot).new == 3)
        assert chosen(pilot) == "operation None"
        await press(pilot, "f")
        assert feed(pilot).following
        assert chosen(pilot) == "failed 13"

    play(told.app(), scene)


def test_enter_opens_the_job_of_the_event(told: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await press(pilot, "enter")
        assert any("not belong to a single job" in each for each in toasts(pilot))
        await press(pilot, "n", "enter")
        assert isinstance(pilot.app.screen, JobScreen)
        assert pilot.app.screen.job_id == 7
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, EventsScreen)
        assert chosen(pilot) == "failed 7"

    play(told.app(), scene)


def test_slash_filters_while_typing_enter_keeps_and_escape_clears(told: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await press(pilot, "slash", *"failed")
        await wait_for(pilot, lambda: [event.job_id for event in feed(pilot).events] == [1, 7])
        await press(pilot, "enter")
        assert pilot.app.focused is feed(pilot)
        assert "/failed" in str(feed(pilot).border_title)
        fail(told)
        await wait_for(pilot, lambda: [event.job_id for event in feed(pilot).events] == [1, 7, 13])
        await press(pilot, "slash", *" second")
        await wait_for(pilot, lambda: [event.job_id for event in feed(pilot).events] == [7])
        await press(pilot, "enter", "escape")
        await wait_for(pilot, lambda: len(feed(pilot).events) > 30)
        await press(pilot, "escape")
        assert not isinstance(pilot.app.screen, EventsScreen)

    play(told.app(), scene)


def test_escape_in_the_filter_clears_it(told: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await press(pilot, "slash", *"zzz")
        await wait_for(pilot, lambda: not feed(pilot).events)
        assert "No event matches the filter" in drawn(pilot)
        await press(pilot, "escape")
        await wait_for(pilot, lambda: len(feed(pilot).events) > 30)
        assert pilot.app.focused is feed(pilot)

    play(told.app(), scene)


def test_words_are_completed(told: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await press(pilot, "slash", *"failu")
        await pilot.pause(0.1)
        await press(pilot, "tab", "enter")
        assert feed(pilot).filter_text == "failures"

    play(told.app(), scene)


def test_the_mouse_selects_opens_and_scrolls(told: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        widget = feed(pilot)
        top = widget._top
        widget._wheel(-3)
        assert (widget._top, widget.following) == (top - 3, False)
        widget._wheel(3)
        assert widget.following
        await pilot.click(EventList, offset=(20, widget.size.height - 1))
        await wait_for_redraw(pilot)
        assert chosen(pilot) == "completed 12"
        await pilot.click(EventList, offset=(20, widget.size.height - 1), times=2)
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobScreen))

    play(told.app(), scene, size=(120, 20))


def test_hostile_text_stays_text(still: FrozenQueue) -> None:
    fail(still, "[red]\x1b]52;c;x\x07\u202e\x9b31m" + "x" * 100_000)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await press(pilot, "n")
        assert "[red]" in drawn(pilot)
        assert not set(drawn(pilot)) & set("\x1b\x07\u202e\x9b")

    play(still.app(), scene, size=(200, 60))


def test_the_place_is_kept_when_the_oldest_events_are_dropped(told: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await press(pilot, "n")
        before, row = chosen(pilot), feed(pilot)._cursor - feed(pilot)._top
        newest = feed(pilot)._seen
        assert newest is not None
        from dataclasses import replace

        feed(pilot).show(replace(newest, events=newest.events[9:]))
        assert chosen(pilot) == before
        assert feed(pilot)._cursor - feed(pilot)._top == row

    play(told.app(), scene, size=(120, 20))


# -- the buffer of events -----------------------------------------------------------------------------


def test_every_event_is_added_once_however_often_it_is_read(still: FrozenQueue) -> None:
    memory = EventBuffer()
    for _ in range(5):
        complete(still)
        for _ in range(3):
            found = memory.read(still.queue, EventFilter()).events
    assert len(found) == 15
    assert len({event.key for event in found}) == 15
    assert not memory.read(still.queue, EventFilter()).gaps
    assert memory.read(still.queue, EventFilter()).events is found  # nothing new, nothing to draw


def test_missed_events_are_recorded_as_a_gap(still: FrozenQueue) -> None:
    memory = EventBuffer(kept=100, first=10)
    complete(still, 3)
    memory.read(still.queue, EventFilter())
    still.clock.advance(60)
    complete(still, 20)
    found = memory.read(still.queue, EventFilter())
    assert len(found.events) == 19
    (gap,) = found.gaps
    assert gap == found.events[9].key


def test_the_buffer_is_bounded(still: FrozenQueue) -> None:
    memory = EventBuffer(kept=20)
    complete(still, 30)
    first = memory.read(still.queue, EventFilter()).events
    assert len(first) == 20
    complete(still, 30)
    assert memory.read(still.queue, EventFilter()).events[0].at > first[-1].at


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("", True),
        ("failed", True),
        ("state:failed", True),
        ("completed", False),
        ("completed failed", True),
        ("failures", True),
        ("operations", False),
        ("kind:mail", True),
        ("kind:mail*", True),
        ("kind:img", False),
        ("queue:post", True),
        ("id:12", True),
        ("id:1", False),
        ("#12", True),
        ("SMTP", True),
        ("smtp timeout", False),
        ("failed smtp kind:send", True),
        ("worker:web-1", True),
        ("actor:ann", False),
        ("kind:", True),
    ],
)
def test_a_filter_takes_event_types_fields_and_words(text: str, passes: bool) -> None:
    event = Event(
        at=0.0,
        type=EventType.FAILED,
        key="k",
        job_id=12,
        kind="mail.send",
        queue="post",
        worker="web-1:2:x",
        text="SMTPError: no",
    )
    assert EventFilter.read(text).matches(event) is passes


def test_every_event_has_a_format() -> None:
    assert set(EVENT_STYLES) == set(EventType)
    assert len({glyph for glyph, _ in EVENT_STYLES.values()}) >= len(EVENT_STYLES) - 1


def test_the_text_of_an_undo() -> None:
    undone = Event(at=0.0, type=EventType.UNDONE, key="k", text="cancelled job 1", actor="ann")
    assert format_details(undone) == "ann · undid: cancelled job 1"


# -- on the command line -----------------------------------------------------------------------------


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    deck = CommandLine(tmp_path)
    deck.done("run", "--", "true")
    deck.done("run", "--max-attempts", "1", "--", "false")
    deck.work()
    deck.done("pause", "mail")
    return deck


def test_events_are_printed_for_people_and_for_scripts(deck: CommandLine) -> None:
    lines = deck.done("events").splitlines()
    assert len(lines) == 7
    assert lines[0].split()[2:] == ["enqueued", "#1", "shell:true", "in", "default"]
    found = deck.json("events")
    assert [each["event"] for each in found].count("enqueued") == 2
    (failed,) = [each for each in found if each["event"] == "failed"]
    assert (failed["job_id"], failed["kind"], failed["attempt"]) == (2, "shell:false", 1)
    assert failed["took"] > 0
    assert found[-1]["text"] == "paused queue mail"


def test_events_are_filtered_and_limited(deck: CommandLine) -> None:
    assert [each["event"] for each in deck.json("events", "failures")] == ["failed"]
    assert [each["job_id"] for each in deck.json("events", "started", "id:2")] == [2]
    assert len(deck.json("events", "--limit", 2)) == 2
    assert deck("events", "--limit", 0).exit_code == 2


def test_no_events_print_a_message_but_no_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deck = CommandLine(tmp_path)
    deck.queue().close()
    assert deck.done("events") == ""
    monkeypatch.setattr("jobdeck_tui.commands.events.on_terminal", lambda: True)
    assert deck.done("events") == "No events yet; -f waits for them.\n"
    assert deck.done("events", "--json") == ""
    deck.done("run", "--", "true")
    assert deck.done("events", "failed") == "No events match the filter.\n"


def test_events_are_followed(deck: CommandLine) -> None:
    process = deck.start("events", "-f", "--json", "--limit", "1")
    try:
        assert process.stdout is not None
        assert "paused queue mail" in process.stdout.readline()
        deck.done("resume", "mail")
        assert "resumed queue mail" in process.stdout.readline()
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_the_timeline_is_listed(deck: CommandLine) -> None:
    text = deck.done("timeline")
    assert "OUTCOME" in text
    assert "failed" in text
    found = deck.json("timeline")
    assert [(each["job_id"], each["outcome"], each["attempt"]) for each in sorted(found, key=lambda each: each["job_id"])] == [
        (1, "completed", 1),
        (2, "failed", 1),
    ]
    assert all(each["took"] > 0 for each in found)
    eventually(lambda: deck.json("timeline", "--last", "0.01s") == [])


def test_a_sampled_timeline_is_marked_as_such(deck: CommandLine) -> None:
    result = deck("timeline", "--limit", 1)
    assert result.exit_code == 0
    for _ in range(2):
        deck.done("run", "--", "true")
    deck.work()
    result = deck("timeline", "--limit", 1)
    assert "Sample of " in result.stderr


# -- snapshots ---------------------------------------------------------------------------------------


@sizes
def test_the_events_of_busy_workers(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    lively(still, 60)
    still.queue.pause("img", actor="ann@web-1")
    still.clock.advance(2)
    still.queue.cancel(still.queue.enqueue("report.daily", {"day": "2025-06-15"}).id, actor="ann@web-1")
    assert snap_compare(still.app(), terminal_size=size, run_before=press_keys("9", "n"))


@sizes
def test_no_events_yet(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    assert snap_compare(still.app(), terminal_size=size, run_before=press_keys("9"))
