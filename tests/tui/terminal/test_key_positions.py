"""Letter keys in keyboard layouts that are not Latin."""

from __future__ import annotations

from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, wait_for
from tests.tui.jobs_pilot import play, toasts
from textual.events import Key
from textual.pilot import Pilot

from jobdeck import State
from jobdeck_tui.screens.help import HelpScreen
from jobdeck_tui.terminal import key_positions
from jobdeck_tui.terminal.paste import PasteParser
from jobdeck_tui.widgets.table.filter_bar import FilterLine


@pytest.fixture(autouse=True)
def _nothing_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_positions, "_latin", {})


@pytest.mark.parametrize(
    ("sequence", "key", "character"),
    [
        ("\x1b[1103::122;;1103u", "я", "я"),
        ("\x1b[1103:1071:122;2;1071u", "Я", "Я"),
        ("\x1b[97;;97u", "a", "a"),
        ("\x1b[97:65;2;65u", "A", "A"),
        ("\x1b[27u", "escape", None),
    ],
)
def test_a_reported_key_types_what_it_shows(sequence: str, key: str, character: str | None) -> None:
    (event,) = [each for each in PasteParser().feed(sequence) if isinstance(each, Key)]
    assert (event.key, (event.character and event.character.strip("\x1b")) or None) == (key, character)


def test_the_position_of_a_key_is_known_once_the_terminal_has_told_it() -> None:
    assert key_positions.latin_key("я") is None
    list(PasteParser().feed("\x1b[1103::122;;1103u\x1b[97::113;;97u"))
    assert (key_positions.latin_key("я"), key_positions.latin_key("Я"), key_positions.latin_key("a")) == ("z", "Z", None)


def test_a_letter_acts_by_its_position_types_itself_in_a_field_and_is_explained_otherwise(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "ч")
        await wait_for(pilot, lambda: any("ч is no key here" in each for each in toasts(pilot)))
        list(PasteParser().feed("\x1b[1095::120;;1095u"))
        await pilot.press("ч")
        await wait_for(pilot, lambda: few.queue.get(6).state is State.CANCELLED)
        await pilot.press("slash", "ч")
        assert pilot.app.screen.query_one(FilterLine).value == "ч"
        await pilot.press("escape", "question_mark")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        await pilot.press("щ")
        await wait_for(pilot, lambda: any("щ is no key here" in each for each in toasts(pilot)))

    play(few.app(), scene)
