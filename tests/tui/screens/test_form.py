"""Tests of the form of a new job: the input is validated and enqueued."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, wait_for
from tests.tui.jobs_pilot import play, toasts
from textual.events import Paste
from textual.pilot import Pilot
from textual.widgets import Static

from jobdeck import StoreFailed
from jobdeck.kinds.registry import job
from jobdeck_tui.forms.values import read_value
from jobdeck_tui.screens.confirm import ConfirmScreen
from jobdeck_tui.screens.new_job import NewJobScreen
from jobdeck_tui.widgets.forms.field import Field


def test_the_form_enqueues_what_was_typed(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, NewJobScreen))
        pilot.app.screen.query_one("#kind").value = "webhook.post"  # type: ignore[attr-defined]
        await wait_for(pilot, lambda: len(pilot.app.screen.query(Field)) == 11)
        await pilot.press(*"http", "tab", *"paid", "tab", *"slow", "tab", "9", "enter")
        await wait_for(pilot, lambda: few.queue.count() == 7)

    play(few.app(), scene)
    made = few.queue.get(7)
    assert (made.kind, made.args, made.queue, made.priority) == ("webhook.post", {"url": "http", "event": "paid"}, "slow", 9)


def test_the_form_enqueues_after_other_jobs_with_a_key_and_an_expiry(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "webhook.post", 11)
        for name, text in (("url", "u"), ("event", "e"), ("after", "5, 6"), ("unique", "k"), ("expires", "1h")):
            entry(pilot, name).value = text
        await pilot.press("enter")
        await wait_for(pilot, lambda: few.queue.count() == 7)

    play(few.app(), scene)
    made = few.queue.get(7)
    assert (made.unique_key, made.expires_at) == ("k", few.clock.now() + 3600)
    assert few.queue.dependencies(7).waits_for == (5, 6)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("after", "first", "must be ids of jobs"),
        ("after", "6 99", "Job 99 does not exist."),
        ("unique", "x" * 501, "must have 1 to 500 printable characters"),
        ("expires", "soon", "is not a duration"),
        ("expires", "0", "must be later"),
        ("tags", "x" * 201, "must be a word of 1 to 200"),
    ],
)
def test_the_form_shows_a_problem_at_its_option(few: FrozenQueue, name: str, text: str, problem: str) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "webhook.post", 11)
        for key, value in (("url", "u"), ("event", "e"), (name, text)):
            entry(pilot, key).value = value
        await pilot.press("enter")
        await wait_for(pilot, lambda: any(problem in each for each in complaints(pilot)))
        assert isinstance(pilot.app.screen, NewJobScreen)

    play(few.app(), scene)
    assert few.queue.count() == 6


def test_the_form_reports_a_unique_key_held_by_another_job(few: FrozenQueue) -> None:
    few.queue.enqueue("webhook.post", {"url": "u", "event": "e"}, unique="k")

    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "webhook.post", 11)
        for name, text in (("url", "u"), ("event", "e"), ("unique", "k")):
            entry(pilot, name).value = text
        await pilot.press("enter")
        await wait_for(pilot, lambda: any("Job 7 (pending) already holds the unique key 'k'" in each for each in toasts(pilot)))

    play(few.app(), scene)
    assert few.queue.count() == 7


async def form(pilot: Pilot[Any], kind: str, fields: int) -> None:
    """Open the form of a kind."""
    await pilot.press("n")
    await wait_for(pilot, lambda: isinstance(pilot.app.screen, NewJobScreen))
    pilot.app.screen.query_one("#kind").value = kind  # type: ignore[attr-defined]
    await wait_for(pilot, lambda: len(pilot.app.screen.query(Field)) == fields)


def entry(pilot: Pilot[Any], name: str) -> Any:
    """Return the text of a field of the form."""
    return next(field.entry for field in pilot.app.screen.query(Field) if field.key == name)


def test_the_form_names_what_is_missing_and_stays_open(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, NewJobScreen))
        pilot.app.screen.query_one("#kind").value = "mail.send_receipt"  # type: ignore[attr-defined]
        await wait_for(pilot, lambda: len(pilot.app.screen.query(Field)) == 13)
        await pilot.press("enter")
        await wait_for(pilot, lambda: "is missing" in str(pilot.app.screen.query(".field-problem").first().render()))
        assert isinstance(pilot.app.screen, NewJobScreen)

    play(few.app(), scene)
    assert few.queue.count() == 6


def test_a_prefilled_form_shows_no_problem_until_something_is_typed(few: FrozenQueue) -> None:
    @job(name="a.square", registry=few.queue.registry)
    def square(side: int, scale: int = 640) -> None:
        """Draw a square."""

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, NewJobScreen) and pilot.app.screen.query(Field))
        await settled_form(pilot)
        assert complaints(pilot) == []
        await pilot.press("tab", "1")
        await wait_for(pilot, lambda: complaints(pilot) == ["✗ is missing"])
        pilot.app.screen.query_one("#kind").value = "webhook.post"  # type: ignore[attr-defined]
        await wait_for(pilot, lambda: len(pilot.app.screen.query(Field)) == 11)
        await settled_form(pilot)
        assert complaints(pilot) == []

    async def settled_form(pilot: Pilot[Any]) -> None:
        for _ in range(10):
            await pilot.pause(0.02)

    play(few.app(), scene)


def complaints(pilot: Pilot[Any]) -> list[str]:
    return [str(note.render()) for note in pilot.app.screen.query(".field-problem") if note.display]


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40)])
def test_a_form_with_many_arguments_scrolls_and_keeps_its_keys_visible(few: FrozenQueue, size: tuple[int, int]) -> None:
    def many(
        first: Annotated[int, "a hint that takes more than the one line it would have"],
        second: int, third: int, fourth: int, fifth: int, sixth: int, seventh: int, eighth: int,
    ) -> None:  # fmt: skip
        """Take so many arguments that no small terminal shows them all, and say so in a text of two lines."""

    job(name="a.many", registry=few.queue.registry)(many)

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, NewJobScreen) and len(pilot.app.screen.query(Field)) == 17)
        await pilot.press("enter")
        await wait_for(pilot, lambda: complaints(pilot) == ["✗ is missing"])
        await pilot.press("shift+tab", "shift+tab")  # the kind, then back around to the last option
        await wait_for(pilot, lambda: in_sight(pilot, pilot.app.focused))
        for name in ("#kind", "#kind-doc", "#form-keys"):
            assert in_sight(pilot, pilot.app.screen.query_one(name)), name
        keys, fields = (pilot.app.screen.query_one(name).region for name in ("#form-keys", "#fields"))
        assert fields.bottom <= keys.y

    def in_sight(pilot: Pilot[Any], widget: Any) -> bool:
        inside = pilot.app.screen.query_one("#new-job").content_region
        return widget.region.area > 0 and inside.contains_region(widget.region)

    play(few.app(), scene, size)


def test_ctrl_c_closes_the_form_and_not_the_program(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, NewJobScreen))
        await pilot.press("ctrl+c")
        await wait_for(pilot, lambda: not isinstance(pilot.app.screen, NewJobScreen))
        assert pilot.app.is_running

    play(few.app(), scene)


def test_unclosed_brackets_in_a_field_are_plain_text() -> None:
    assert read_value("[" * 5000, "typing.Any") == "[" * 5000


def test_a_paste_of_several_lines_into_a_field_is_refused_in_a_sentence_and_not_truncated(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "webhook.post", 11)
        field = entry(pilot, "url")
        field.value = "before"
        field.focus()
        field.post_message(Paste("first\nsecond\n\nthird\n"))
        await wait_for(pilot, lambda: toasts(pilot))
        assert toasts(pilot) == ["Nothing was pasted: the text has 3 lines, and this field holds one"]
        assert field.value == "before"
        field.post_message(Paste(" after\n"))
        await wait_for(pilot, lambda: field.value == "before after")

    play(few.app(), scene)


def test_a_failed_enqueue_keeps_the_form_and_says_why(few: FrozenQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StoreFailed("~/app/jobs.db", "the disk is full")

    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "webhook.post", 11)
        entry(pilot, "url").value, entry(pilot, "event").value = "http", "paid"
        with monkeypatch.context() as broken:
            broken.setattr(few.queue.store.enqueuer, "enqueue", full)
            await pilot.press("enter")
            problem = pilot.app.screen.query_one("#form-problem", Static)
            await wait_for(pilot, lambda: "the disk is full" in str(problem.render()))
        assert (entry(pilot, "url").value, entry(pilot, "event").value) == ("http", "paid")
        await pilot.press("enter")
        await wait_for(pilot, lambda: few.queue.count() == 7)
        await wait_for(pilot, lambda: not isinstance(pilot.app.screen, NewJobScreen))

    play(few.app(), scene)


@pytest.mark.parametrize("key", ["escape", "ctrl+c"])
def test_closing_a_form_with_something_typed_in_it_asks_first(few: FrozenQueue, key: str) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "webhook.post", 11)
        entry(pilot, "url").value = "http"
        await pilot.press(key)
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("escape")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, NewJobScreen))
        assert entry(pilot, "url").value == "http"
        await pilot.press(key)
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("y")
        await wait_for(pilot, lambda: len(pilot.app.screen_stack) == 1)
        assert few.queue.count() == 6

    play(few.app(), scene)
