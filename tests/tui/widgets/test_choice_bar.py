"""Clicks on choice bars, and how tabs give way in a narrow terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from textual.app import App, ComposeResult

from jobdeck_tui.screen_registry import BAR
from jobdeck_tui.widgets.base.choice_bar import Choice, ChoiceBar, ChoiceGroups, LabeledChoice, NumberedTabs
from jobdeck_tui.widgets.base.panel import TEXT_CLASSES
from jobdeck_tui.widgets.forms.form_modes import FormModes

PANELS = [("1", "life"), ("2", "data"), ("3", "attempts")]


class Alone(App[None]):
    """An app with one bar, which records what is chosen."""

    CSS = "ChoiceBar { height: 1; } " + " ".join(f".{name} {{ color: $foreground; }}" for name in TEXT_CLASSES)

    def __init__(self, bar: ChoiceBar) -> None:
        super().__init__()
        self.bar = bar
        self.chosen: list[tuple[str, str]] = []

    def compose(self) -> ComposeResult:
        yield self.bar

    def on_choice_bar_chosen(self, event: ChoiceBar.Chosen) -> None:
        assert event.control is self.bar
        self.chosen.append((event.group, event.value))


def click(make: Callable[[], ChoiceBar], *words: str, width: int = 80) -> list[tuple[str, str]]:
    """Click these words of a bar; return what that has chosen."""

    async def run() -> list[tuple[str, str]]:
        app = Alone(make())
        async with app.run_test(size=(width, 5)) as pilot:
            for word in words:
                await pilot.click(app.bar, offset=(app.bar.render_line(0).text.index(word), 0))
            return app.chosen

    return asyncio.run(run())


def shown(make: Callable[[], ChoiceBar], width: int) -> str:
    async def run() -> str:
        app = Alone(make())
        async with app.run_test(size=(width, 5)):
            return app.bar.render_line(0).text.rstrip()

    return asyncio.run(run())


def groups() -> ChoiceBar:
    bar = ChoiceGroups(id="groups")
    bar.show(
        [
            [LabeledChoice("by", None), LabeledChoice("kind", Choice("k", "by"), True)],
            [LabeledChoice("1h", Choice("3600", "range"))],
        ]
    )
    return bar


def test_a_click_on_a_choice_names_its_group_and_value() -> None:
    assert click(groups, "1h", "kind", "by") == [("range", "3600"), ("by", "k")]


def test_a_group_that_does_not_fit_is_dropped() -> None:
    assert shown(groups, 40) == " by  kind    1h"
    assert shown(groups, 14) == " by  kind"


def test_a_click_on_a_tab_opens_it_also_in_its_gap() -> None:
    assert click(lambda: NumberedTabs(PANELS, "life", id="tabs"), "data", "   ³", "life") == [
        ("", "data"),
        ("", "attempts"),
        ("", "life"),
    ]


def test_only_the_other_mode_of_a_form_can_be_clicked() -> None:
    assert click(lambda: FormModes(id="modes"), "form", "JSON", "arguments") == [("", "JSON")]


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (85, " ¹·²metrics   ³queues   ⁴workers   ⁵jobs   ⁶timeline   ⁷errors   ⁸schedules   ⁹events"),
        (84, " ¹·²metrics ³queues ⁴workers ⁵jobs ⁶timeline ⁷errors ⁸schedules ⁹events"),
        (71, " ¹·²metrics ³queues ⁴workers ⁵jobs ⁶timeline ⁷errors ⁸schedules ⁹events"),
        (70, " ¹·²metrics ³queues ⁴workers ⁵jobs ⁶timeline ⁷errors ⁸ ⁹events"),
        (52, " ¹·² ³queues ⁴ ⁵jobs ⁶timeline ⁷errors ⁸ ⁹events"),
    ],
)
def test_tabs_lose_their_gaps_then_the_longest_names_but_never_the_open_one(width: int, text: str) -> None:
    assert shown(lambda: NumberedTabs(BAR, "timeline", gaps=(3, 1), id="tabs"), width) == text


def test_tabs_lose_their_notes_before_their_last_gap() -> None:
    def tabs() -> ChoiceBar:
        bar = NumberedTabs(PANELS, "data", id="tabs")
        bar.open("attempts", {"attempts": "12", "life": ""})
        return bar

    assert shown(tabs, 40) == " ¹life   ²data   ³attempts 12"
    assert shown(tabs, 28) == " ¹life  ²data  ³attempts 12"
    assert shown(tabs, 26) == " ¹life  ²data  ³attempts"
    assert shown(tabs, 23) == " ¹life ²data ³attempts"
