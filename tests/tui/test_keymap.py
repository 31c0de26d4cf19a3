"""Tests of the keymap file: its errors, and its effect on the keys, the hints and the help."""

from __future__ import annotations

import asyncio
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.tui.cli_runner import CommandLine
from tests.tui.frozen_queue import FrozenQueue, press_keys, wait_for
from textual.pilot import Pilot

from jobdeck import State
from jobdeck_tui.app import Cockpit
from jobdeck_tui.feed.feed import Feed
from jobdeck_tui.frame_capture import screen_text
from jobdeck_tui.keymap import KeyAction, Keymap, actions, parse_keymap, read_keymap, short_name
from jobdeck_tui.screens.help import HelpScreen
from jobdeck_tui.screens.jobs import JobsScreen


def cockpit(still: FrozenQueue, text: str, folder: Path) -> Cockpit:
    file = folder / "keys.toml"
    file.write_text(text)
    return Cockpit(lambda post: Feed(still.queue, post, threads=0), where="x", keymap=read_keymap(file, Cockpit))


def play(app: Cockpit, scene: Any, size: tuple[int, int] = (120, 40)) -> None:
    async def run() -> None:
        async with app.run_test(size=size, notifications=True) as pilot:
            await press_keys()(pilot)
            await scene(pilot)
        app.feed.end()

    asyncio.run(run())


def problems(text: str) -> tuple[str, ...]:
    return parse_keymap(tomllib.loads(text), actions(Cockpit)).problems


def test_every_binding_has_a_unique_id() -> None:
    known = actions(Cockpit)
    assert len({action.id for action in known}) == len(known)
    ids = {action.id for action in known}
    assert {"jobs.retry", "job.retry", "job-table.mark", "jobs.priority-minus-1", "queues-panel.choose", "queues.pause"} <= ids
    declared = [binding for binding in JobsScreen.BINDINGS if getattr(binding, "id", None) is None]
    assert not declared
    assert {each.id for each in JobsScreen._merged_bindings.key_to_bindings["r"]} == {"jobs.retry"}  # type: ignore[union-attr]


def test_a_changed_key_works_and_the_old_one_does_not(still: FrozenQueue, tmp_path: Path) -> None:
    job = still.queue.enqueue("img.resize", {"path": "a.jpg"})

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "x")
        await pilot.pause(0.1)
        assert still.queue.get(job.id).state is State.PENDING
        await pilot.press("X")
        await wait_for(pilot, lambda: still.queue.get(job.id).state is State.CANCELLED)

    play(cockpit(still, '[jobs]\ncancel = "X"\n', tmp_path), scene)


def test_an_action_before_the_first_table_is_changed_on_every_screen(still: FrozenQueue, tmp_path: Path) -> None:
    app = cockpit(still, 'down = "n"\nmove-1 = ["ctrl+n", "j"]\nby-1 = "ctrl+n"\n', tmp_path)
    assert app.keymap["job-table.move-1"] == "ctrl+n,j"
    assert app.keymap["keyed-table.move-1"] == "ctrl+n,j"
    assert app.keymap["text-view.by-1"] == "ctrl+n"


def test_hints_help_and_palette_show_the_changed_keys(still: FrozenQueue, tmp_path: Path) -> None:
    still.queue.enqueue("img.resize", {"path": "a.jpg"})
    app = cockpit(still, '[jobs]\nretry = "R"\nfilter = ["!", "f2"]\nnext-theme = "ctrl+g"\n', tmp_path)
    assert len(app.keymap) == 2  # the main screen has no next-theme

    async def scene(pilot: Pilot[Any]) -> None:
        hints = screen_text(app).splitlines()[-1]
        assert "R retry" in hints
        assert "! filter" in hints
        commands = {each.title: each.help for each in app.get_system_commands(app.screen)}
        assert commands["Retry"].startswith("R ")
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        assert "  R         retry finished jobs" in app.screen.shown_text
        assert "  ! f2      filter as you type" in app.screen.shown_text

    play(app, scene)


def test_an_error_in_the_file_is_reported_and_the_rest_is_used(still: FrozenQueue, tmp_path: Path) -> None:
    app = cockpit(still, '[jobs]\nretri = "R"\ncancel = "X"\n', tmp_path)
    assert app.keymap == {"jobs.cancel": "X"}

    async def scene(pilot: Pilot[Any]) -> None:
        said = [note.message for note in pilot.app._notifications]
        assert said == ["keys.toml: unknown action [jobs] retri (did you mean retry?); list them with `jobdeck keys`."]

    play(app, scene)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[jbs]\nretry = "r"', "unknown screen [jbs] (did you mean jobs?)"),
        ("[jobs]\nretry = 5", "[jobs] retry must be a key, or a list of keys"),
        ("[jobs]\nretry = []", "[jobs] retry must be a key, or a list of keys"),
        ('[jobs]\nretry = "ctrl+nonsense"', "names an unknown key: 'ctrl+nonsense'"),
        ('[jobs]\nretry = "strg+r"', "names an unknown key: 'strg+r'"),
        ('nothing = "r"', "unknown action nothing"),
        ('[jobs]\nretry = "x"', "x was bound to jobs.cancel; it is now bound to jobs.retry only"),
    ],
)
def test_each_error_has_its_own_message(text: str, said: str) -> None:
    (problem,) = problems(text)
    assert said in problem
    assert problem.endswith(".")


@pytest.mark.parametrize(
    ("written", "key"),
    [
        *[(each, "ctrl+x") for each in ("ctrl+x", "Ctrl+X", "ctrl-x", "C-x", "^X", "<C-x>", "Control + x")],
        *[(each, "pagedown") for each in ("pagedown", "PageDown", "page-down", "Page Down", "PgDn", "<PgDn>")],
        *[(each, "escape") for each in ("esc", "Esc", "Escape", "<esc>")],
        *[(each, "enter") for each in ("Enter", "Return", "CR")],
        *[(each, "up") for each in ("Up", "arrow-up", "Up Arrow", "cursor_up")],
        *[(each, "shift+tab") for each in ("Shift+Tab", "S-Tab", "backtab")],
        *[(each, "R") for each in ("R", "shift+r", "Shift-R")],
        *[(each, "alt+x") for each in ("M-x", "Option+X", "alt+x")],
        ("Del", "delete"),
        ("spacebar", "space"),
        ("F5", "f5"),
        ("ctrl--", "ctrl+minus"),
        ("ctrl+plus", "ctrl+plus"),
        ("-", "minus"),
        ("?", "question_mark"),
        ("Ö", "Ö"),
    ],
)
def test_a_key_may_be_written_as_people_and_other_programs_do(written: str, key: str) -> None:
    known = [KeyAction("jobs", "retry", ("r",), "")]
    assert parse_keymap({"jobs": {"retry": [written]}}, known) == Keymap({"jobs.retry": key})


def test_an_unknown_key_is_answered_with_a_similar_one() -> None:
    (problem,) = problems('[jobs]\nretry = "pgupp"')
    assert "names an unknown key: 'pgupp' (did you mean pgup?)" in problem


def test_a_byte_order_mark_in_the_file_is_skipped(still: FrozenQueue, tmp_path: Path) -> None:
    assert cockpit(still, '\ufeff[jobs]\nretry = "R"\n', tmp_path).keymap == {"jobs.retry": "R"}


def test_two_keys_can_be_swapped_without_a_warning(still: FrozenQueue, tmp_path: Path) -> None:
    assert not problems('[jobs]\nretry = "x"\ncancel = "r"')
    job = still.queue.enqueue("img.resize", {"path": "a.jpg"})

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "r")
        await wait_for(pilot, lambda: still.queue.get(job.id).state is State.CANCELLED)
        await pilot.press("x")
        await wait_for(pilot, lambda: still.queue.get(job.id).state is State.PENDING)

    play(cockpit(still, '[jobs]\nretry = "x"\ncancel = "r"', tmp_path), scene)


def test_an_invalid_or_unreadable_file_means_the_default_keys(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    assert read_keymap(file, Cockpit) == Keymap()
    file.write_text("retry = ")
    assert "keys.toml is not valid TOML; using the default keys" in read_keymap(file, Cockpit).problems[0]
    file.write_bytes(b"\xff\xfe")
    assert "cannot be read; using the default keys" in read_keymap(file, Cockpit).problems[0]
    assert not read_keymap(file, Cockpit).keys


def test_a_key_can_be_written_as_a_character_or_by_name() -> None:
    for said in ("?", "question_mark"):
        assert parse_keymap({"jobs": {"retry": said}}, actions(Cockpit)).keys == {"jobs.retry": "question_mark"}
    assert parse_keymap({"jobs": {"retry": [",", "/"]}}, actions(Cockpit)).keys == {"jobs.retry": "comma,slash"}
    assert [short_name(key) for key in ("question_mark", "slash", "comma", "plus", "space", "ctrl+r", "f2")] == [
        "?", "/", ",", "+", "space", "ctrl+r", "f2",
    ]  # fmt: skip


def test_jobdeck_keys_prints_a_file_that_changes_nothing(tmp_path: Path) -> None:
    printed = CommandLine(tmp_path).done("keys")
    keymap = parse_keymap(tomllib.loads(printed), actions(Cockpit))
    assert not keymap.problems
    assert {id: set(said.split(",")) for id, said in keymap.keys.items()} == {
        action.id: set(action.keys) for action in actions(Cockpit)
    }


def test_jobdeck_keys_shows_changes_and_errors(tmp_path: Path) -> None:
    folder = tmp_path / "config-home" / "jobdeck"
    folder.mkdir(parents=True)
    (folder / "keys.toml").write_text('[jobs]\nretry = "R"\nnonsense = "x"\n')
    ran = CommandLine(tmp_path)("keys", "--json")
    assert "unknown action [jobs] nonsense" in ran.stderr
    lines = [json.loads(each) for each in ran.stdout.splitlines()]
    (changed,) = [each for each in lines if each["changed"]]
    assert (changed["id"], changed["keys"], changed["default"]) == ("jobs.retry", ["R"], ["r"])


# -- the help ------------------------------------------------------------------------------------


def test_the_help_has_every_key_of_the_screen_its_widgets_and_the_app(still: FrozenQueue) -> None:
    app = still.app()

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        told = app.screen.shown_text
        only_in_the_demo = {"tour", "break_something"}
        for binding in (*JobsScreen.BINDINGS, *Cockpit.BINDINGS):
            text = binding.tooltip or binding.description  # type: ignore[union-attr]
            is_told = f"{text[:1].lower()}{text[1:]}"[:40] in told
            assert is_told is (binding.action not in only_in_the_demo)  # type: ignore[union-attr]
        assert "switch to the next theme" in told

    play(app, scene)


def test_slash_searches_the_descriptions_and_escape_clears_the_search(still: FrozenQueue) -> None:
    app = still.app()

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("question_mark")
        help_screen = app.screen
        assert isinstance(help_screen, HelpScreen)
        whole = help_screen.shown_text
        await pilot.press("slash", *"priority")
        await wait_for(pilot, lambda: "raise the priority" in help_screen.shown_text and "cancel" not in help_screen.shown_text)
        await pilot.press("enter", "j")
        assert app.screen is help_screen
        await pilot.press("escape")
        await wait_for(pilot, lambda: help_screen.shown_text == whole)
        await pilot.press("slash", *"zzz")
        await wait_for(pilot, lambda: help_screen.shown_text == "no key matches")
        await pilot.press("escape", "escape")
        assert app.screen is not help_screen

    play(app, scene)


def test_j_k_and_the_page_keys_scroll_the_help_and_the_hints_can_be_clicked(still: FrozenQueue) -> None:
    app = still.app()

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("question_mark")
        body = app.screen.query_one("#help-body")
        await pilot.press("j", "j", "k")
        assert body.scroll_offset.y == 1
        await pilot.press("pagedown")
        assert body.scroll_offset.y > 5
        await pilot.press("pageup")
        assert body.scroll_offset.y == 1
        await pilot.click("#help-foot", offset=(2, 0))
        assert not isinstance(app.screen, HelpScreen)
        await pilot.press("question_mark", "q")
        assert not isinstance(app.screen, HelpScreen)
        await pilot.press("question_mark", "question_mark")
        assert not isinstance(app.screen, HelpScreen)

    play(app, scene, (80, 24))


def test_the_keys_of_why_can_be_clicked(still: FrozenQueue) -> None:
    still.queue.enqueue("img.resize", {"path": "a.jpg"})
    app = still.app()

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "w")
        await wait_for(pilot, lambda: len(app.screen_stack) == 2)
        await pilot.click("#why-foot", offset=(2, 0))
        await wait_for(pilot, lambda: len(app.screen_stack) == 1)

    play(app, scene)
