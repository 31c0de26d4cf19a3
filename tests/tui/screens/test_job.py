"""Tests of the job screen: its content at each stage of a job's lifecycle, and the effect of each key."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len
from tests.tui.frozen_queue import TRACEBACK, FrozenQueue, Step, press_keys, wait_for, wait_for_redraw
from textual.pilot import Pilot

from jobdeck import Attempt, Job, JournalEntry, Outcome, State
from jobdeck.model.attempt_result import Completed, Failed
from jobdeck.model.journal import Actor
from jobdeck_tui.feed.messages import Detail
from jobdeck_tui.frame_capture import screen_strips
from jobdeck_tui.screens.confirm import ConfirmScreen
from jobdeck_tui.screens.copy_job import CopyScreen
from jobdeck_tui.screens.edit_job import EditScreen
from jobdeck_tui.screens.job import PANELS, JobScreen
from jobdeck_tui.screens.new_job import NewJobScreen
from jobdeck_tui.widgets.chrome.key_hints import KeyHints
from jobdeck_tui.widgets.job.lifecycle import lifecycle_steps

SIZES = [(80, 24), (120, 40), (200, 60)]
Compare = Callable[..., bool]
sizes = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")


def opened(job_id: int, *keys: str) -> Step:
    """Open the job, wait until it is shown, and press the keys."""

    async def run(pilot: Pilot[Any]) -> None:
        await press_keys()(pilot)
        pilot.app.open_job(job_id)  # type: ignore[attr-defined]
        await wait_for(pilot, lambda: getattr(pilot.app.screen, "detail", None) is not None)
        await wait_for_redraw(pilot)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.05)
        await wait_for_redraw(pilot)

    return run


# -- jobs at each stage ---------------------------------------------------------------------------------------------------


def queued(still: FrozenQueue) -> int:
    """Return a job behind others in a paused queue, with a postponed start."""
    still.busy()
    job = still.queue.enqueue(
        "webhook.post", {"url": "https://hooks.example.com/in/7", "event": "order.paid"}, tags=["shop", "eu"], expires=7200
    )
    still.store.jobs.reprioritize([job.id], 4, by=Actor("ann@web-1"))
    still.clock.advance(42)
    still.beat()
    return job.id


def failed(still: FrozenQueue) -> int:
    """Return a job that failed four times, was retried by a user in between, and is out of attempts."""
    still.busy()
    job = still.queue.enqueue("mail.send_receipt", {"order_id": 70500, "to": "ben@example.org"}, max_attempts=3, priority=1000)
    still.clock.advance(2.4)
    for attempt, (took, pause) in enumerate([(1.4, 15.0), (0.6, 31.0), (30.0, None), (2.2, None)], 1):
        (claimed,) = still.claim(1, worker=attempt % 2)
        begun = still.clock.now()
        still.store.logs.append([(claimed.id, attempt, begun + 0.2, "info", "connecting to smtp-3.example.org")], 1 << 20)
        still.clock.advance(took)
        now = still.clock.now()
        still.store.logs.append([(claimed.id, attempt, now, "error", "the server hung up after MAIL FROM")], 1 << 20)
        retry_at = None if pause is None else now + pause
        error = ("SMTPServerDisconnected", "Connection unexpectedly closed", TRACEBACK)
        still.store.completer.fail([Failed(claimed, begun, now, retry_at, *error)])
        if attempt == 3:
            still.clock.advance(48)
            still.store.jobs.retry([claimed.id], by=Actor("ann@web-1"))
        still.clock.advance((pause or 0) + 3)
        still.store.transitions.stage()
    still.beat()
    return job.id


def running(still: FrozenQueue) -> int:
    """Return a running job with a log and progress."""
    still.busy()
    job = still.queue.enqueue("img.resize", {"path": "uploads/41.jpg", "width": 1280}, priority=1000, timeout=60)
    (claimed,) = still.claim(1)
    still.store.transitions.report_progress(claimed.id, claimed.lease or 0, 0.4, "frame 96 of 240")
    begun = still.clock.now()
    told = [
        ("debug", "opening uploads/41.jpg"),
        ("info", "4,032 × 3,024 pixels"),
        ("warning", "no color profile: sRGB is assumed"),
    ]
    told += [("info", f"wrote {width} pixels wide, {width * 3 // 4} high") for width in (320, 640, 960)]
    lines = [(job.id, 1, begun + n * 1.5, level, text) for n, (level, text) in enumerate(told)]
    still.store.logs.append(lines, 1 << 20)
    still.clock.advance(9)
    still.beat()
    return job.id


def completed(still: FrozenQueue) -> int:
    """Return a completed job with a result."""
    still.busy()
    job = still.queue.enqueue("report.daily", {"day": "2025-06-14"}, priority=1000, delay=20.0)
    still.clock.advance(21)
    still.store.transitions.stage()
    (claimed,) = still.claim(1)
    begun = still.clock.now()
    still.clock.advance(4.2)
    result = (
        '{"orders": 1204, "total": 88213.5, "currency": "EUR", "by_country": {"de": 640, "es": 201, "at": 88}, "checked": true}'
    )
    still.store.completer.complete([Completed(claimed, begun, still.clock.now(), result)])
    still.beat()
    return job.id


def waiting(still: FrozenQueue) -> int:
    """Return a job of a batch that waits for one of two parents and has a dependent."""
    queue = still.queue
    done, open_ = queue.enqueue("img.resize", {"path": "a.jpg"}, priority=99), queue.enqueue("img.resize", {"path": "b.jpg"})
    (claimed,) = still.claim(1)
    still.store.completer.complete([Completed(claimed, still.clock.now(), still.clock.now(), None)])
    receipt = {"order_id": 70411, "to": "ann@example.org"}
    options: dict[str, Any] = {"unique": "receipt 70411", "tags": ["schedule:nightly"]}
    drafts = [queue.new_job("mail.send_receipt", receipt, after=[done.id, open_.id], **options)]
    queue.batches.enqueue([*drafts, queue.new_job("img.resize", {"path": "c.jpg"})], name="orders of the night")
    queue.enqueue("webhook.post", {"url": "https://hooks.example.com/in/7", "event": "order.paid"}, after=[3])
    still.clock.advance(95)
    return 3


STAGES = {"queued": queued, "running": running, "failed": failed, "completed": completed, "waiting": waiting}


@sizes
@pytest.mark.parametrize("stage", STAGES)
def test_a_job_at_each_stage_of_its_life(snap_compare: Compare, still: FrozenQueue, stage: str, size: tuple[int, int]) -> None:
    assert snap_compare(still.app(), terminal_size=size, run_before=opened(STAGES[stage](still)))


@sizes
def test_a_job_that_is_gone(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    job_id = completed(still)

    async def gone(pilot: Pilot[Any]) -> None:
        await opened(job_id)(pilot)
        still.queue.delete(job_id)
        await wait_for_redraw(pilot)

    assert snap_compare(still.app(), terminal_size=size, run_before=gone)


# -- keys: viewing --------------------------------------------------------------------------------------------------------


def play(app: Any, scene: Step, size: tuple[int, int] = (120, 40)) -> None:
    """Run the app without a terminal, wait for the first snapshot, and play the scene."""

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await press_keys()(pilot)
            await scene(pilot)
        app.feed.end()

    asyncio.run(run())


def toasts(pilot: Pilot[Any]) -> list[str]:
    return [note.message for note in pilot.app._notifications]


def copied(pilot: Pilot[Any]) -> str:
    return str(pilot.app.clipboard)


def text_of(pilot: Pilot[Any], panel: str) -> str:
    """Return the text of a panel."""
    view = pilot.app.screen.query_one(f"#{panel}")
    return "\n".join("".join(text for text, _ in told) for told in view.lines)


def screen(pilot: Pilot[Any]) -> Any:
    return pilot.app.screen


def is_open(pilot: Pilot[Any], job_id: int) -> bool:
    shown = pilot.app.screen
    return isinstance(shown, JobScreen) and shown.job_id == job_id and shown.last is not None and shown.last.job_id == job_id


def test_digits_tab_arrows_and_h_l_open_the_panels_of_a_narrow_screen(still: FrozenQueue) -> None:
    job_id = failed(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id)(pilot)

        def shown() -> str:
            (panel,) = [name for name in PANELS if screen(pilot).query_one(f"#{name}").region]
            return panel

        for digit, name in enumerate(PANELS, 1):
            await pilot.press(str(digit))
            assert (shown(), screen(pilot).focused.id) == (name, name)
        for key, name in (("tab", "life"), ("right", "data"), ("l", "attempts"), ("h", "data"), ("left", "life"),
                          ("shift+tab", "history")):  # fmt: skip
            await pilot.press(key)
            assert shown() == name
        await pilot.click("#job-tabs", offset=(10, 0))
        assert shown() == "data"

    play(still.app(), scene, (80, 24))


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40), (200, 60)], ids=str)
@pytest.mark.parametrize("stage", STAGES)
def test_no_line_is_wider_than_its_panel_and_no_word_is_missing(still: FrozenQueue, stage: str, size: tuple[int, int]) -> None:
    job_id = STAGES[stage](still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id)(pilot)
        for name in ("life", "data", "attempts", "log"):
            await pilot.press(str(PANELS.index(name) + 1))
            await pilot.pause()
            view = screen(pilot).query_one(f"#{name}")
            width = view.scrollable_content_region.width
            assert width > 20
            assert all(sum(cell_len(text) for text, _ in row) <= width for row in view._wrapped)
            shown = "".join("".join(text for text, _ in row) for row in view._wrapped)
            assert "".join(shown.split()) == "".join(text_of(pilot, name).split())

    play(still.app(), scene, size)


def test_the_lifecycle_shows_waits_attempts_backoffs_and_who_retried_it(still: FrozenQueue) -> None:
    job_id = failed(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id)(pilot)
        told = [
            " ".join(line.split()[1:] if line[:2].isdigit() else line.split()) for line in text_of(pilot, "life").split("\n")
        ]
        steps_told = [line.rstrip(" ─╌█▏▎▍▌▋▊▉") for line in told if not line.startswith("│ SMTP")]
        assert steps_told[:12] == [
            "● enqueued", "│ waited 2.4s", "├─✗ attempt 1 failed 1.4s", "│ back-off 18.0s", "├─✗ attempt 2 failed 600ms",
            "│ back-off 34.0s", "├─✗ attempt 3 failed 30.0s", "│ idle 48.0s", "◆ ann@web-1 retried it", "│ waited 3.0s",
            "├─✗ attempt 4 failed 2.2s", "╰─✗ failed · attempts exhausted",
        ]  # fmt: skip

    play(still.app(), scene, (200, 60))


def test_a_queued_job_shows_why_it_is_not_running_and_when_it_may(still: FrozenQueue) -> None:
    still.queue.pause("img")
    job = still.queue.enqueue("img.resize", {"path": "a.jpg"}, delay=90)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job.id)(pilot)
        life = text_of(pilot, "life")
        assert "due in" in life
        assert "1m30s" in life
        assert "✗ Queue img has been paused" in life
        assert "✗ It is scheduled, and due in 1m30s" in life
        still.queue.resume("img")
        await wait_for(pilot, lambda: "paused" not in text_of(pilot, "life"))

    play(still.app(), scene)


def test_commands_in_advice_are_highlighted_without_backticks(still: FrozenQueue) -> None:
    job_id = queued(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id)(pilot)
        told = [line for line in screen(pilot).query_one("#life").lines if " resumes it" in "".join(text for text, _ in line)]
        assert told == [[("  ", ""), ("jobdeck resume webhook", "accent"), (" resumes it", "quiet")]]
        assert "`" not in text_of(pilot, "life")

    play(still.app(), scene)


def test_backticks_of_an_error_stay_in_the_reason(still: FrozenQueue) -> None:
    job = still.queue.enqueue("img.resize", {"path": "a.jpg"})
    (claimed,) = still.claim(1)
    now = still.clock.now()
    still.store.completer.fail([Failed(claimed, now, now, now + 60, "ShellError", "`ls` said no")])

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job.id, "1")(pilot)
        assert "(ShellError: `ls` said no); the next one is due" in text_of(pilot, "life")
        assert ("jobdeck retry 1", "accent") in [piece for line in screen(pilot).query_one("#life").lines for piece in line]

    play(still.app(), scene, (200, 60))


@sizes
@pytest.mark.parametrize("stage", STAGES)
def test_a_blank_or_the_cursor_separates_text_from_the_frame(still: FrozenQueue, stage: str, size: tuple[int, int]) -> None:
    job_id = STAGES[stage](still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id)(pilot)
        shown = 0
        for panel in PANELS:
            await pilot.press(str(PANELS.index(panel) + 1))
            await pilot.pause()
            region = screen(pilot).query_one(f"#{panel}").region
            if not region:  # on a wide screen, the panel of a job without relations
                assert panel == "related"
                continue
            inside = screen_strips(pilot.app)[region.y + 1 : region.bottom - 1]
            words = [row.crop(region.x + 1, region.right - 1).text for row in inside]
            shown += any(row.strip() for row in words)
            assert {row[0] for row in words} <= {" ", "❯"}
        assert shown >= 5

    play(still.app(), scene, size)


# -- unavailable keys -----------------------------------------------------------------------------------------------------


def bright(pilot: Pilot[Any]) -> set[str]:
    """Return the keys whose hints are not dimmed."""
    hints = screen(pilot).query_one(KeyHints)
    pieces = hints.draw(0, 250)
    accent = hints.style("accent")
    return {told.strip() for (_, style), (told, _) in zip(pieces[1::2], pieces[2::2], strict=True) if style == accent}


ACTS = {"edit", "retry", "cancel", "priority"}


@pytest.mark.parametrize(
    ("stage", "can"),
    [
        ("queued", {"edit", "cancel", "priority"}),
        ("waiting", {"edit", "cancel", "priority"}),
        ("running", {"cancel"}),
        ("failed", {"retry"}),
        ("completed", {"retry"}),
    ],
)
def test_keys_that_the_state_of_the_job_forbids_are_dimmed(still: FrozenQueue, stage: str, can: set[str]) -> None:
    job_id = STAGES[stage](still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id)(pilot)
        assert bright(pilot) & ACTS == can
        assert {"duplicate", "why", "copy", "back", "help"} <= bright(pilot)

    play(still.app(), scene, (200, 60))


def test_keys_are_undimmed_when_they_become_available(still: FrozenQueue) -> None:
    job_id = completed(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id)(pilot)
        await pilot.press("x")
        await wait_for(pilot, lambda: any("it has finished, so it cannot be cancelled" in told for told in toasts(pilot)))
        await pilot.press("r")
        await wait_for(pilot, lambda: bright(pilot) & ACTS == {"edit", "cancel", "priority"})
        still.queue.delete(job_id)
        await wait_for(pilot, lambda: not bright(pilot) & {*ACTS, "why"})
        assert {"duplicate", "copy", "undo"} <= bright(pilot)  # its last state can still be used

    play(still.app(), scene, (200, 60))


def test_a_readonly_cockpit_hints_no_key_that_changes_something(still: FrozenQueue) -> None:
    job_id = queued(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id)(pilot)
        assert {"why", "copy", "back"} <= bright(pilot)
        shown = pilot.app.screen.query_one(KeyHints).render_line(0).text
        assert not [text for text in (*ACTS, "duplicate", "undo") if f" {text} " in shown]

    play(still.app(readonly=True), scene, (200, 60))


def test_search_and_unfold_are_dimmed_without_a_log_and_a_traceback(still: FrozenQueue) -> None:
    none, some = completed(still), failed(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(none, "3")(pilot)
        assert not bright(pilot) & {"search", "unfold"}
        await pilot.press("slash")
        assert toasts(pilot)[-1] == f"Job {none} has no log to search"
        assert not screen(pilot).query_one("#log-search").display
        await pilot.press("escape")
        await opened(some, "3")(pilot)
        assert {"search", "unfold"} <= bright(pilot)

    play(still.app(), scene, (200, 60))


def test_the_lifecycle_shows_snoozes_releases_crashes_and_edits() -> None:
    def attempt(number: int, begun: float, ended: float, outcome: Outcome) -> Attempt:
        return Attempt(job_id=1, number=number, worker="w", started_at=begun, finished_at=ended, outcome=outcome)

    job = Job(
        id=1, kind="k", args_json="{}", queue="q", priority=0, state=State.RETRYING, attempt=3, max_attempts=5, created_at=0.0,
        scheduled_at=100.0,
    )  # fmt: skip
    attempts = (
        attempt(1, 1.0, 2.0, Outcome.SNOOZED), attempt(1, 12.0, 13.0, Outcome.RELEASED),
        attempt(1, 14.0, 15.0, Outcome.CRASHED), attempt(2, 50.0, 51.0, Outcome.TIMED_OUT),
    )  # fmt: skip
    act = JournalEntry(id=1, at=60.0, actor="ann", operation="edit", n=1, recorded=1, summary="", undone=1, undone_by="ben")
    detail = Detail(70.0, job, 1, attempts, journal_entries=(act,))
    assert [step.text for step in lifecycle_steps(detail)] == [
        "enqueued", "waited", "attempt 1 snoozed", "snoozed", "attempt 1 released", "released", "attempt 1 crashed",
        "lost with its worker", "attempt 2 timed out", "back-off", "ann edited it, and undone by ben", "back-off", "due in",
        "attempt 4 of 5 comes next",
    ]  # fmt: skip


def test_of_very_many_attempts_the_first_and_the_latest_are_shown() -> None:
    job = Job(
        id=1, kind="k", args_json="{}", queue="q", priority=0, state=State.FAILED, attempt=500, max_attempts=500,
        created_at=0.0, scheduled_at=0.0, finished_at=501.0,
    )  # fmt: skip
    attempts = tuple(
        Attempt(job_id=1, number=n, worker="w", started_at=n, finished_at=n + 0.5, outcome=Outcome.FAILED)
        for n in range(1, 501)
    )
    told = [step.text for step in lifecycle_steps(Detail(600.0, job, 1, attempts))]
    assert "460 more attempts" in told
    assert [text for text in told if text.startswith("attempt ")] == [
        "attempt 1 failed",
        *(f"attempt {n} failed" for n in range(462, 501)),
    ]


def test_a_traceback_shows_the_raising_frame_and_enter_unfolds_the_rest(still: FrozenQueue) -> None:
    job_id = failed(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id, "3")(pilot)
        told = text_of(pilot, "attempts")
        assert "raised at /srv/app/smtp.py:88 in send\n       raise SMTPServerDisconnected" in told
        assert "mail.py" not in told
        await pilot.press("enter")
        first = text_of(pilot, "attempts").partition("attempt 3")[0]
        assert "/srv/app/mail.py:41 in send_receipt\n       server.send(to, render(order_id))" in first
        await pilot.press("enter")
        assert "mail.py" not in text_of(pilot, "attempts")

    play(still.app(), scene)


def test_an_attempt_does_not_move_with_the_cursor(still: FrozenQueue) -> None:
    job_id = failed(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id, "3")(pilot)
        view = screen(pilot).query_one("#attempts")

        def drawn() -> list[str]:
            return [view.render_line(y).text for y in range(view.size.height)]

        before = drawn()
        assert before[0].startswith("❯✗ attempt 4  failed")
        await pilot.press("right_square_bracket")
        view.scroll_to(y=0, animate=False, immediate=True)
        after = drawn()
        assert any(line.startswith("❯✗ attempt 3") for line in after)
        assert [line.replace("❯", " ") for line in after] == [line.replace("❯", " ") for line in before]

    play(still.app(), scene)


def test_brackets_and_clicks_select_an_attempt(still: FrozenQueue) -> None:
    job_id = failed(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id, "1")(pilot)
        view = screen(pilot).query_one("#attempts")
        await pilot.press("right_square_bracket", "right_square_bracket")
        assert (view.chosen.number, view.has_focus) == (2, True)
        assert "❯✗ attempt 2" in "".join(view.render_line(y).text for y in range(view.size.height))
        await pilot.press("left_square_bracket")
        assert view.chosen.number == 3
        await pilot.press("enter")
        assert text_of(pilot, "attempts").count("mail.py") == 1
        await pilot.press("left_square_bracket", "left_square_bracket", "left_square_bracket")
        assert view.chosen.number == 4
        await pilot.click("#attempts", offset=(4, 10))
        assert view.chosen.number == 3

    play(still.app(), scene, (120, 50))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_the_log_fills_the_height_of_its_side(still: FrozenQueue, size: tuple[int, int]) -> None:
    job_id = running(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id)(pilot)
        log, side = screen(pilot).query_one("#log").region, screen(pilot).query_one("#job-right").region
        assert (log.right, log.bottom) == (side.right, side.bottom)

    play(still.app(), scene, size)


def test_the_log_grows_while_it_runs_and_f_stops_following(still: FrozenQueue) -> None:
    job_id = running(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id)(pilot)
        view = screen(pilot).query_one("#log")
        assert view.has_focus
        assert "live · follows" in str(view.border_title)

        def more(n: int) -> None:
            still.store.logs.append([(job_id, 1, still.clock.now(), "info", f"line {n}-{each}") for each in range(60)], 1 << 20)

        more(1)
        await wait_for(pilot, lambda: "line 1-59" in text_of(pilot, "log"))
        assert view.at_end
        await pilot.press("f")
        more(2)
        await wait_for(pilot, lambda: "line 2-59" in text_of(pilot, "log"))
        assert not view.at_end
        await pilot.press("f")
        assert view.at_end
        await pilot.press("g")
        assert view.scroll_offset.y == 0
        await pilot.press("G")
        assert view.at_end

    play(still.app(), scene)


def test_slash_searches_the_log_and_n_goes_from_match_to_match(still: FrozenQueue) -> None:
    job_id = running(still)
    lines = [
        (job_id, 1, still.clock.now(), "info", f"{n:03} " + ("Timeout of peer, timeout" if n % 50 == 7 else "ok"))
        for n in range(300)
    ]
    still.store.logs.append(lines, 1 << 20)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id)(pilot)
        await pilot.press("n")
        assert "Press / to search the log" in toasts(pilot)[0]
        view = screen(pilot).query_one("#log")
        await pilot.press("g", "slash", *"timeout")
        await wait_for(pilot, lambda: "1 of 12 matches" in str(view.border_title))
        await pilot.press("enter")
        assert view.has_focus

        def found() -> str:
            rows = [view._wrapped[round(view.scroll_offset.y) + y] for y in range(view.scrollable_content_region.height)
                    if round(view.scroll_offset.y) + y < len(view._wrapped)]  # fmt: skip
            (row,) = [row for row in rows if any(meaning == "found" for _, meaning in row)]
            return "".join(text for text, _ in row).split()[2] + next(text for text, meaning in row if meaning == "found")

        assert found() == "007Timeout"
        await pilot.press("n")
        assert found() == "007timeout"
        await pilot.press("n")
        assert found() == "057Timeout"
        await pilot.press("N", "N", "N")
        assert found() == "257timeout"
        assert "12 of 12" in str(view.border_title)
        still.store.logs.append([(job_id, 1, still.clock.now(), "info", "one more timeout")], 1 << 20)
        await wait_for(pilot, lambda: "13 matches" in str(view.border_title))
        await pilot.press("slash", "z")
        await wait_for(pilot, lambda: "not found in the log" in str(screen(pilot).query_one("#editor-problem").render()))
        await pilot.press("escape")
        assert view.search_text == ""
        assert "match" not in str(view.border_title)

    play(still.app(), scene)


def test_a_search_with_a_capital_letter_is_case_sensitive(still: FrozenQueue) -> None:
    job_id = running(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id, "slash")(pilot)
        await pilot.press(*"RGB")
        await wait_for(pilot, lambda: "1 match" in str(screen(pilot).query_one("#log").border_title))
        await pilot.press("backspace", "backspace", "backspace", *"rGB")
        await wait_for(pilot, lambda: "0 matches" in str(screen(pilot).query_one("#log").border_title))

    play(still.app(), scene)


def test_enter_opens_a_parent_and_escape_and_backspace_return(still: FrozenQueue) -> None:
    job_id = waiting(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id, "5")(pilot)
        assert screen(pilot).focused.key == ("job", 1)
        await pilot.press("j", "enter")
        await wait_for(pilot, lambda: is_open(pilot, 2))
        await pilot.press("5", "enter")
        await wait_for(pilot, lambda: is_open(pilot, 3) and len(pilot.app.screen_stack) == 4)
        still.clock.advance(7)
        await pilot.press("backspace")
        await wait_for(pilot, lambda: is_open(pilot, 2))
        await pilot.press("escape")
        before = screen(pilot).last
        assert screen(pilot).job_id == 3
        await wait_for(pilot, lambda: screen(pilot).last is not before)  # following has resumed
        assert screen(pilot).focused.key == ("job", 2)
        await pilot.press("q")
        assert not isinstance(screen(pilot), JobScreen)

    play(still.app(), scene)


def test_the_batch_and_the_schedule_of_a_job_open_and_a_deleted_parent_says_so(still: FrozenQueue) -> None:
    job_id = waiting(still)
    still.queue.delete(1)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id, "5", "g", "enter")(pilot)
        assert "Job 1 no longer exists" in toasts(pilot)[0]
        await pilot.press("G", "k", "enter")
        await wait_for(pilot, lambda: pilot.app.jobs_screen.table.page.view.filter == "batch:1")  # type: ignore[attr-defined]
        assert not isinstance(screen(pilot), JobScreen)

    play(still.app(), scene)


def test_capital_j_and_k_step_through_the_job_list(still: FrozenQueue) -> None:
    for n in range(3):
        still.queue.enqueue("img.resize", {"path": f"{n}.jpg"})

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "enter")
        await wait_for(pilot, lambda: is_open(pilot, 3))
        await pilot.press("2", "J")
        await wait_for(pilot, lambda: is_open(pilot, 2))
        assert screen(pilot).focused.id == "data"  # the panel stays the same from job to job
        assert '"1.jpg"' in text_of(pilot, "data")
        await pilot.press("J")
        await wait_for(pilot, lambda: is_open(pilot, 1))
        await pilot.press("J")
        assert "Job 1 is the last in the job list" in toasts(pilot)[-1]
        await pilot.press("K")
        await wait_for(pilot, lambda: is_open(pilot, 2))
        await pilot.press("escape")
        assert pilot.app.jobs_screen.table.chosen == 2  # type: ignore[attr-defined]
        pilot.app.open_job(77)  # type: ignore[attr-defined]
        await wait_for(pilot, lambda: isinstance(screen(pilot), JobScreen) and screen(pilot).detail is not None)
        await pilot.press("K")
        assert "Job 77 is not in the job list" in toasts(pilot)[-1]

    play(still.app(), scene)


# -- keys: copying --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "begins"),
    [
        ("a", '{"order_id":70500'),
        ("e", "SMTPServerDisconnected: Connection unexpectedly closed"),
        ("t", "Traceback (most recent call last):"),
        ("l", "connecting to smtp-3.example.org\nthe server hung up"),
        ("y", "780"),
        ("Y", "jobdeck enqueue mail.send_receipt"),
    ],
)
def test_c_copies_any_part_by_its_letter(still: FrozenQueue, key: str, begins: str) -> None:
    job_id = failed(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id, "c")(pilot)
        assert isinstance(screen(pilot), CopyScreen)
        await pilot.press("r")  # the job has no result
        assert isinstance(screen(pilot), CopyScreen)
        await pilot.press(key)
        await wait_for(pilot, lambda: copied(pilot).startswith(begins))
        assert isinstance(screen(pilot), JobScreen)

    play(still.app(), scene)


def test_c_also_copies_with_the_cursor_and_uses_the_selected_attempt(still: FrozenQueue) -> None:
    job_id = completed(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id, "c", "j", "j", "j", "k", "j", "enter")(pilot)
        await wait_for(pilot, lambda: copied(pilot).startswith('{"orders": 1204'))
        await pilot.press("y")
        assert copied(pilot) == str(job_id)
        await pilot.press("Y")
        assert copied(pilot).startswith("jobdeck enqueue report.daily")
        await pilot.press("c", "escape")
        assert isinstance(screen(pilot), JobScreen)

    play(still.app(), scene)


def test_the_page_names_the_trace_of_the_job_and_c_copies_its_id(still: FrozenQueue) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    traced = still.queue.enqueue("img.resize", {"path": "a.jpg"}, traceparent=f"00-{trace_id}-00f067aa0ba902b7-01")

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(traced.id)(pilot)
        assert f"trace     {trace_id}" in "\n".join(strip.text for strip in screen_strips(pilot.app))
        await pilot.press("c", "i")
        await wait_for(pilot, lambda: copied(pilot) == trace_id)

    play(still.app(), scene)


# -- keys: actions --------------------------------------------------------------------------------------------------------


@pytest.fixture
def one(still: FrozenQueue) -> FrozenQueue:
    """Return a queue with one pending job, id 1."""
    still.queue.enqueue("img.resize", {"path": "a.jpg"})
    return still


def test_each_action_has_its_key(one: FrozenQueue) -> None:
    queue = one.queue

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(1, "plus", "plus", "minus")(pilot)
        await wait_for(pilot, lambda: queue.get(1).priority == 1)
        await pilot.press("x")
        await wait_for(pilot, lambda: queue.get(1).state is State.CANCELLED)
        await pilot.press("z")
        await wait_for(pilot, lambda: queue.get(1).state is State.PENDING)
        await pilot.press("Z")
        await wait_for(pilot, lambda: queue.get(1).state is State.CANCELLED)
        await pilot.press("r")
        await wait_for(pilot, lambda: queue.get(1).state is State.PENDING)
        await pilot.press("p")
        await wait_for(pilot, lambda: any(each.paused for each in queue.queues()))
        await pilot.press("w")
        await wait_for(pilot, lambda: "Job 1 cannot start" in getattr(screen(pilot), "shown_text", ""))
        await pilot.press("escape", "d")
        await wait_for(pilot, lambda: isinstance(screen(pilot), NewJobScreen))
        await pilot.press("escape", "delete")
        await wait_for(pilot, lambda: screen(pilot).detail.job is None)
        assert "was deleted or pruned" in screen(pilot).query_one("#job-title").render_line(1).text

    play(one.app(), scene)


def test_readonly_refuses_every_action(one: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(1)(pilot)
        for key in ("e", "E", "r", "x", "plus", "minus", "d", "delete", "D", "p", "z", "Z"):
            pilot.app.clear_notifications()
            await pilot.press(key)
            await wait_for(pilot, lambda: any("is read-only" in each for each in toasts(pilot)))

    before = one.queue.get(1)
    play(one.app(readonly=True), scene)
    assert one.queue.get(1) == before
    assert one.queue.journal.entries() == []


# -- editing --------------------------------------------------------------------------------------------------------------


def editor(pilot: Pilot[Any]) -> Any:
    assert isinstance(pilot.app.screen, EditScreen)
    return pilot.app.screen


async def typed(pilot: Pilot[Any], text: str) -> None:
    """Replace the text in the editor and wait until it is shown."""
    editor(pilot).query_one("#edit-text").text = text
    await pilot.pause()


@pytest.mark.parametrize("key", ["ctrl+s", "ctrl+enter", "f2"])
def test_e_edits_the_arguments_and_z_undoes_it(one: FrozenQueue, key: str) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(1, "e")(pilot)
        area = editor(pilot).query_one("#edit-text")
        assert '"path": "a.jpg"' in area.text
        area.move_cursor((1, 11))
        await pilot.press("b")
        await pilot.press(key)
        await wait_for(pilot, lambda: one.queue.get(1).args["path"] == "ba.jpg")
        await wait_for(pilot, lambda: isinstance(screen(pilot), JobScreen) and '"ba.jpg"' in text_of(pilot, "data"))
        assert "Job 1 edited · z to undo" in toasts(pilot)
        await wait_for(pilot, lambda: "edited it" in text_of(pilot, "life"))
        await pilot.press("z")
        await wait_for(pilot, lambda: '"a.jpg"' in text_of(pilot, "data"))

    play(one.app(), scene)


@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        ('{\n  "path": "a"\n  "width": 3\n}', "line 3, column 3: expecting ',' delimiter", 2),
        ('{\n  "path": "a",\n  "width": "wide"\n}', "width is invalid: input should be a valid integer", 2),
        ('{\n  "path": "a",\n  "formats": [1]\n}', "formats.0 is invalid", 2),
        ('{"widht": 3, "path": ""}', "widht is unknown to this kind", 0),
        ("{}", "path is missing", None),
        ("[1]", "must be a JSON object", None),
        ("[" * 3000, "the JSON cannot be parsed", None),
    ],
)
def test_problems_are_shown_with_their_line_while_typing_and_nothing_is_saved(
    one: FrozenQueue, text: str, problem: str, line: int | None
) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(1, "e")(pilot)
        await typed(pilot, text)
        await wait_for(pilot, lambda: problem in editor(pilot).problem)
        assert editor(pilot).query_one("#edit-text").error_position == (None if line is None else (line + 1, None))
        await pilot.press("ctrl+s")
        await wait_for_redraw(pilot)
        assert problem in editor(pilot).problem
        await typed(pilot, '{"path": "c.jpg"}')
        await wait_for(pilot, lambda: not editor(pilot).problem)
        assert "✓ valid" in str(editor(pilot).query_one("#edit-problem").render())

    play(one.app(), scene)
    assert one.queue.get(1).args["path"] == "a.jpg"


def test_escape_closes_an_unchanged_editor_and_asks_before_discarding_changes(one: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(1, "e", "escape")(pilot)
        assert isinstance(screen(pilot), JobScreen)
        await pilot.press("e")
        await wait_for(pilot, lambda: isinstance(screen(pilot), EditScreen))
        await pilot.press("x", "escape")
        assert isinstance(screen(pilot), ConfirmScreen)
        await pilot.press("escape")
        assert editor(pilot).query_one("#edit-text").text.startswith("x")
        await pilot.press("escape", "y")
        await wait_for(pilot, lambda: isinstance(screen(pilot), JobScreen))

    play(one.app(), scene)
    assert one.queue.journal.entries() == []


def test_a_job_that_starts_during_an_edit_keeps_the_editor_open_with_a_message(one: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(1, "e")(pilot)
        await typed(pilot, '{"path": "c.jpg"}')
        await wait_for(pilot, lambda: not editor(pilot).problem)
        one.claim(1)
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "Job 1 is running: only a queued job can be edited" in editor(pilot).problem)
        assert editor(pilot).query_one("#edit-text").text == '{"path": "c.jpg"}'

    play(one.app(), scene)
    assert one.queue.get(1).args["path"] == "a.jpg"


def test_capital_e_edits_queue_time_attempts_and_tags(one: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(1, "E")(pilot)
        for text, problem in (
            ('{"queue": ""}', "The queue must be a name"),
            ('{"at": "soon"}', "'soon' is not a time"),
            ('{"at": 3}', "at must be a text"),
            ('{"tags": "a"}', "tags must be a list of words"),
            ('{"priority": null}', "priority needs a value"),
            ('{"max_attempts": 0}', "The max_attempts must be a whole number"),
            ('{"kind": "x"}', "kind is unknown; use queue, priority, at, max_attempts, tags"),
        ):
            await typed(pilot, text)
            await wait_for(pilot, lambda problem=problem: problem in editor(pilot).problem)
            assert editor(pilot).query_one("#edit-text").error_position == (1, None)
        await typed(pilot, '{"queue": "slow", "at": "in 10m", "max_attempts": 7, "tags": ["a", "b"], "priority": 0}')
        await wait_for(pilot, lambda: not editor(pilot).problem)
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: one.queue.get(1).queue == "slow")

    play(one.app(), scene)
    job = one.queue.get(1)
    assert (job.state, job.scheduled_at, job.max_attempts) == (State.SCHEDULED, one.clock.now() + 600, 7)
    assert (job.tags, job.priority) == (("a", "b"), 0)


def test_now_makes_it_due_now(one: FrozenQueue) -> None:
    one.queue.edit(1, delay=600)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(1, "E")(pilot)
        await typed(pilot, '{"at": "now"}')
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: one.queue.get(1).state is State.PENDING)

    play(one.app(), scene)


def test_a_job_that_cannot_be_edited_says_why(still: FrozenQueue) -> None:
    job_id = completed(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id, "e", "E")(pilot)
        assert [each for each in toasts(pilot) if "is completed: only queued jobs can be edited" in each]
        assert isinstance(screen(pilot), JobScreen)

    play(still.app(), scene)


def test_a_job_of_an_unregistered_kind_can_be_edited_except_its_arguments(one: FrozenQueue) -> None:
    app = one.app()
    app.kinds = []

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(1, "e")(pilot)
        assert "Kind img.resize is not registered here" in toasts(pilot)[0]
        await pilot.press("E")
        await wait_for(pilot, lambda: isinstance(screen(pilot), EditScreen))

    play(app, scene)


@sizes
def test_the_editor_of_arguments(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    job_id = queued(still)

    async def wrong(pilot: Pilot[Any]) -> None:
        await opened(job_id, "e")(pilot)
        pilot.app.screen.query_one("#edit-text").cursor_blink = False  # type: ignore[attr-defined]
        await typed(pilot, '{\n  "url": "https://hooks.example.com/in/7",\n  "event": 7,\n  "retries": [1, 2.5, true, null]\n}')
        await wait_for(pilot, lambda: editor(pilot).problem)

    assert snap_compare(still.app(), terminal_size=size, run_before=wrong)


def test_the_menu_of_what_can_be_copied(snap_compare: Compare, still: FrozenQueue) -> None:
    assert snap_compare(still.app(), terminal_size=(80, 24), run_before=opened(failed(still), "c"))


def test_matches_in_the_log_stand_out(snap_compare: Compare, still: FrozenQueue) -> None:
    run = opened(failed(still), "4", "slash", *"server", "enter", "n")
    assert snap_compare(still.app(), terminal_size=(80, 24), run_before=run)


def test_an_unfolded_traceback(snap_compare: Compare, still: FrozenQueue) -> None:
    assert snap_compare(
        still.app(), terminal_size=(80, 24), run_before=opened(failed(still), "3", "right_square_bracket", "enter")
    )


# -- long and hostile text ------------------------------------------------------------------------------------------------


def test_ten_megabytes_of_everything_are_shown_at_once_and_omissions_are_noted(still: FrozenQueue) -> None:
    big = 10 << 20
    still.queue.settings = replace(still.queue.settings, max_args_bytes=1 << 25)
    job = still.queue.enqueue("img.resize", {"path": "x" * big}, priority=1000, max_attempts=2)
    (claimed,) = still.claim(1)
    now = still.clock.now()
    lines = [(job.id, 1, now, "out", "\n".join(f"{n} " + "y" * 60 for n in range(1500))) for _ in range(100)]
    still.store.logs.append(
        [*lines, (job.id, 1, now, "out", "\n" * 1_000_000), (job.id, 1, now, "err", "\x1b" * 1_000_000)], 1 << 24
    )
    trace = TRACEBACK * 40_000
    still.store.completer.fail([Failed(claimed, now, now, now, "ValueError", "\x1b[31m" * 1_000_000, trace)])
    still.store.transitions.stage()
    (claimed,) = still.claim(1)
    result = json.dumps({"rows": [{"n": n, "text": "z" * 90} for n in range(100_000)]})
    still.store.completer.complete([Completed(claimed, now, now, result)])
    slowest = 0.0

    async def scene(pilot: Pilot[Any]) -> None:
        nonlocal slowest
        pilot.app.open_job(job.id)  # type: ignore[attr-defined]
        await wait_for(pilot, lambda: is_open(pilot, job.id))
        for key in (*"12345", "J", "slash", "1", "b", "enter", "n", "N", "right_square_bracket", "enter", "c", "escape"):
            begun = time.thread_time()
            await pilot.press(key)
            await pilot.pause()
            slowest = max(slowest, time.thread_time() - begun)
        await wait_for_redraw(pilot)
        data, log, attempts = (text_of(pilot, name) for name in ("data", "log", "attempts"))
        assert "more characters" in data
        assert "omitted" in log
        assert "omitted" in attempts
        assert "more characters" in attempts
        assert max(map(len, (data, log, attempts))) < 4_000_000
        assert "\x1b" not in data + log + attempts + text_of(pilot, "life")
        await pilot.press("e")
        await wait_for_redraw(pilot)

    play(still.app(), scene)
    assert slowest < 1.0, slowest  # would take seconds on the event loop


def test_hostile_text_stays_text(still: FrozenQueue) -> None:
    bad = "\x1b]52;c;aGk=\x07[red]\x9b31m\u202e\ud800 [/]"
    job = still.queue.enqueue("img.resize", {"path": bad.encode("utf-8", "replace").decode()}, tags=["[red]"])
    still.store.logs.append([(job.id, 1, still.clock.now(), bad, bad)], 1 << 20)
    (claimed,) = still.claim(1)
    now = still.clock.now()
    still.store.completer.fail(
        [Failed(claimed, now, now, now + 60, "[/]", "\x1b[31m[red]", '  File "\x1b[31m", line 1, in [red]\n    \x9b31m')]
    )

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job.id, *"12345", "3", "enter", "c", "escape", "e")(pilot)
        assert isinstance(screen(pilot), EditScreen)
        area = screen(pilot).query_one("#edit-text")
        shown = "".join(area.render_line(y).text for y in range(area.size.height))
        assert "\\u001b" in area.text
        await pilot.press("escape")
        for name in ("life", "data", "attempts", "log"):
            shown += text_of(pilot, name)
        assert "[red]" in shown
        assert not set(shown) & set("\x1b\x07\x9b\u202e\ud800")

    play(still.app(), scene)
