"""Tests of the actions of the main screen."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from tests.tui.frozen_queue import FrozenQueue, wait_for, wait_for_redraw
from tests.tui.jobs_pilot import play, table, toasts, weighed
from textual.pilot import Pilot

from jobdeck import Queue, State
from jobdeck_tui.app import enqueue_command
from jobdeck_tui.screens.new_job import NewJobScreen
from jobdeck_tui.widgets.chrome.key_hints import KeyHints
from jobdeck_tui.widgets.forms.field import Field


def test_no_key_affects_a_job_until_one_is_selected(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("x", "r", "plus")
        await wait_for_redraw(pilot)
        assert "Select a job first" in toasts(pilot)[0]

    play(few.app(), scene)
    assert few.queue.overview().counts == {State.FAILED: 3, State.PENDING: 3}


def test_x_cancels_the_selected_job(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "x")
        await wait_for(pilot, lambda: few.queue.get(6).state is State.CANCELLED)
        await wait_for(pilot, lambda: any("Job 6 cancelled" in each for each in toasts(pilot)))

    play(few.app(), scene)


def test_plus_and_minus_change_the_priority(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "plus", "plus", "plus", "minus")
        await wait_for(pilot, lambda: few.queue.get(6).priority == 2)

    play(few.app(), scene)


def test_a_refused_action_is_reported_with_the_reason(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("G", "x")
        await wait_for(pilot, lambda: any("Job 1 is failed" in each for each in toasts(pilot)))

    play(few.app(), scene)


def test_p_pauses_the_queue_of_the_selected_job_and_resumes_it(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "p")
        await wait_for(pilot, lambda: [queue.name for queue in few.queue.queues() if queue.paused] == ["img"])
        await wait_for_redraw(pilot)
        await pilot.press("p")
        await wait_for(pilot, lambda: not any(queue.paused for queue in few.queue.queues()))

    play(few.app(), scene)


def test_a_queue_is_paused_in_its_own_panel(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("3", "j", "p")
        await wait_for(pilot, lambda: [queue.name for queue in few.queue.queues() if queue.paused] == ["mail"])

    play(few.app(), scene)


def test_z_undoes_the_last_action_and_shift_z_redoes_it(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "plus", "x")
        await wait_for(pilot, lambda: few.queue.get(6).state is State.CANCELLED)
        await wait_for(pilot, lambda: any("Job 6 cancelled · z to undo" in each for each in toasts(pilot)))
        await pilot.press("z")
        await wait_for(pilot, lambda: few.queue.get(6).state is State.PENDING)
        await wait_for(pilot, lambda: "Undone: cancelled job 6" in toasts(pilot))
        await pilot.press("z")
        await wait_for(pilot, lambda: few.queue.get(6).priority == 0)
        await pilot.press("Z")
        await wait_for(pilot, lambda: few.queue.get(6).priority == 1)
        await pilot.press("Z")
        await wait_for(pilot, lambda: few.queue.get(6).state is State.CANCELLED)
        await wait_for(pilot, lambda: "Redone: cancelled job 6" in toasts(pilot))

    play(few.app(), scene)


def test_one_job_is_deleted_without_confirmation_because_z_undoes_it(few: FrozenQueue) -> None:
    before = few.queue.get(1)

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("G", "D")
        await wait_for(pilot, lambda: few.queue.count() == 5)
        await pilot.press("z")
        await wait_for(pilot, lambda: few.queue.count() == 6)
        await pilot.press("3", "j", "p")
        await wait_for(pilot, lambda: any(queue.paused for queue in few.queue.queues()))
        await pilot.press("z")
        await wait_for(pilot, lambda: not any(queue.paused for queue in few.queue.queues()))

    play(few.app(), scene)
    assert few.queue.get(1) == before
    assert few.queue.attempts(1)[0].message == "no"


def test_z_says_why_a_job_cannot_be_restored_and_changes_of_others_stay(few: FrozenQueue) -> None:
    few.queue.cancel(4, actor="ben")

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("z")
        await wait_for(pilot, lambda: any("Nothing to undo for" in each for each in toasts(pilot)))
        await pilot.press("j", "x")
        await wait_for(pilot, lambda: few.queue.get(6).state is State.CANCELLED)
        few.queue.retry(6, actor="ben")
        await pilot.press("z")
        await wait_for(pilot, lambda: "Not undone: cancelled job 6. Job 6 was retried since." in toasts(pilot))

    play(few.app(), scene)
    assert few.queue.get(4).state is State.CANCELLED


def test_d_opens_the_form_filled_in_from_the_selected_job(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "d")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, NewJobScreen) and len(pilot.app.screen.query(Field)) == 12)
        await pilot.press("enter")
        await wait_for(pilot, lambda: few.queue.count() == 7)

    play(few.app(), scene)
    assert few.queue.get(7).args == few.queue.get(6).args


def test_a_readonly_cockpit_changes_nothing_and_says_so(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "x", "r", "plus", "n", "p", "D", "z", "Z")
        await wait_for_redraw(pilot)
        assert any("--readonly" in each for each in toasts(pilot))
        assert pilot.app.screen is pilot.app.jobs_screen  # type: ignore[attr-defined]

    play(few.app(readonly=True), scene)
    assert few.queue.overview().counts == {State.FAILED: 3, State.PENDING: 3}


def test_the_id_and_the_command_are_copied_to_the_clipboard(few: FrozenQueue) -> None:
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
            words = shlex.split(enqueue_command(made))
            done = CliRunner().invoke(cli, ["--db", str(tmp_path / "jobs.db"), *words[1:]], standalone_mode=False)
            assert done.exception is None, done.output
            again = queue.list(limit=1)[0]
            assert again.id > keyed.id
            assert {name: value for name, value in again.args.items() if name != "base_env"} == made.args
            options = (again.queue, again.priority, again.max_attempts, again.timeout, again.tags)
            assert options == (made.queue, made.priority, made.max_attempts, made.timeout, made.tags)
            assert (again.unique_key, again.backoff) == (made.unique_key, made.backoff)


def test_pausing_twice_quickly_resumes(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        said: list[str] = []
        pilot.app.notify_user = lambda text, **_: said.append(text)  # type: ignore[attr-defined]
        await pilot.press("j", "p", "p", "p", "p")
        await wait_for(pilot, lambda: len([each for each in said if "img" in each]) == 4)
        assert not any(queue.paused for queue in few.queue.queues())

    play(few.app(), scene)


def test_the_equals_sign_sets_the_priority_to_a_typed_number(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "equals_sign")
        editor = pilot.app.screen.query_one("#editor-field")
        assert editor.has_focus
        await pilot.press("ctrl+u", *"x")
        assert "must be a whole number" in str(pilot.app.screen.query_one("#editor-problem").render())
        await pilot.press("ctrl+u", *"40", "enter")
        await wait_for(pilot, lambda: few.queue.get(6).priority == 40)
        await wait_for_redraw(pilot)
        await pilot.press("equals_sign", "ctrl+u", *"-15", "enter")
        await wait_for(pilot, lambda: few.queue.get(6).priority == 25)
        await wait_for_redraw(pilot)
        await pilot.press("equals_sign", "ctrl+u", *"=-3", "enter")
        await wait_for(pilot, lambda: few.queue.get(6).priority == -3)
        await pilot.press("equals_sign", "escape")
        assert table(pilot).has_focus

    play(few.app(), scene)


def hint(pilot: Pilot[Any], text: str) -> tuple[bool, Any]:
    """Return whether the hint with this text is dimmed, and its key."""
    hints = pilot.app.screen.query_one("#hints")
    quiet = hints.style("quiet")  # type: ignore[attr-defined]
    pieces = hints.draw(0, 200)  # type: ignore[attr-defined]
    at = next(number for number, (shown, _) in enumerate(pieces) if shown == f" {text}  ")
    return pieces[at - 1][1] == quiet, pieces[at - 1][0]


def test_an_unavailable_key_is_dimmed_and_says_why_when_pressed(few: FrozenQueue) -> None:
    few.claim(1)

    async def scene(pilot: Pilot[Any]) -> None:
        assert [hint(pilot, text)[0] for text in ("retry", "cancel", "priority", "pause", "new")] == [True] * 4 + [False]
        await pilot.press("p")
        await wait_for(pilot, lambda: any("Select a job to pause its queue" in each for each in toasts(pilot)))
        for key in ("equals_sign", "w", "d", "y"):
            pilot.app.clear_notifications()
            await pilot.press(key)
            await wait_for(pilot, lambda: any("Select a job first" in each for each in toasts(pilot)))
        await pilot.press("g", "j", "j")
        assert table(pilot).job.state is State.RUNNING
        await wait_for(pilot, lambda: hint(pilot, "retry")[0] and hint(pilot, "priority")[0])
        assert not hint(pilot, "cancel")[0]
        await pilot.press("r")
        await wait_for(pilot, lambda: any("Job 4 is running" in each for each in toasts(pilot)))
        await pilot.press("A")
        assert not hint(pilot, "retry")[0]

    play(few.app(), scene)


def test_a_readonly_cockpit_hints_no_key_that_changes_something(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("G")
        shown = pilot.app.screen.query_one(KeyHints).render_line(0).text.split()
        assert not {"retry", "cancel", "priority", "new", "pause", "undo"} & {*shown}
        assert {"open", "mark", "filter"} <= {*shown}
        await pilot.press("equals_sign")
        await wait_for(pilot, lambda: any("--readonly" in each for each in toasts(pilot)))

    play(few.app(readonly=True), scene)


def test_a_bulk_action_in_a_readonly_cockpit_is_refused_before_the_preview(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("A", "x")
        await wait_for_redraw(pilot)
        assert weighed(pilot) is None
        assert any("--readonly" in each for each in toasts(pilot))

    play(few.app(readonly=True), scene)
