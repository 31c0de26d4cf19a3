"""The texts of the tour: the six talking points and the four trade-offs are said, and fit on a small terminal."""

from __future__ import annotations

from textwrap import wrap

import pytest

from jobdeck_tui.tour.acts import ACTS
from jobdeck_tui.tour.notes import all_notes, step_notes
from jobdeck_tui.tour.script import CHAPTERS, STEPS, TourStep, planned_seconds, steps_of

WITH_SERVER = steps_of("5m", has_server=True)
#: Every text that a tour can show: the step before the server's ends with another sentence if there is none.
TEXTS = (*STEPS, *(step for step in WITH_SERVER if step not in STEPS))
every_step = pytest.mark.parametrize("step", TEXTS, ids=lambda step: step.name)


def test_each_talking_point_is_a_chapter_with_steps_in_order() -> None:
    assert CHAPTERS == ("concurrency", "error handling", "testing", "separation", "scalability", "trade-offs")
    assert list(dict.fromkeys(step.chapter for step in STEPS)) == [*CHAPTERS]


@pytest.mark.parametrize(
    "words", ["SQLite or PostgreSQL", "Polling or events", "Threads or processes", "At least once or at most once"]
)
def test_each_trade_off_is_said(words: str) -> None:
    assert any(words in step.trade_off for step in STEPS)


def test_the_long_tour_takes_five_minutes_and_the_short_one_ninety_seconds() -> None:
    assert (planned_seconds(STEPS), planned_seconds(steps_of("90s"))) == (300, 90)
    assert {"concurrency", "error handling", "scalability", "trade-offs"} == {step.chapter for step in steps_of("90s")}


def test_a_server_adds_one_step_right_after_its_trade_off_to_the_long_tour() -> None:
    names = [step.name for step in WITH_SERVER]
    at = names.index("row-locks")
    assert names[:at] + names[at + 1 :] == [step.name for step in STEPS]
    before = WITH_SERVER[at - 1]
    assert "SQLite or PostgreSQL" in before.trade_off
    assert before.trade_off.endswith("The next step shows it.")
    assert before.chapter == WITH_SERVER[at].chapter
    assert steps_of("90s", has_server=True) == steps_of("90s"), "ninety seconds stay ninety seconds"


def test_without_a_server_the_trade_off_says_how_to_see_it() -> None:
    (step,) = [step for step in STEPS if "SQLite or PostgreSQL" in step.trade_off]
    assert step.trade_off.endswith("--db postgresql://… shows it.")
    assert any("jobdeck --db postgresql://" in note and "demo --tour" in note for note in step.notes)


@every_step
def test_a_step_asks_runs_something_real_and_says_the_point(step: TourStep) -> None:
    assert step.question.endswith("?")
    assert len(step.choices) == 3
    assert step.answer is None or step.answer < 3
    assert step.act in ACTS
    assert step.takes < step.seconds
    assert all(text.endswith(".") for _, text in step.points)
    assert step.notes


@every_step
def test_a_step_fits_on_a_small_terminal(step: TourStep) -> None:
    assert len(wrap(step.question, 73)) <= 3
    assert all(len(wrap(text, 64)) <= 2 for _, text in step.points), "eight lines of 64"
    assert all(len(choice) <= 60 for choice in step.choices)


@every_step
def test_the_notes_say_what_is_on_the_screen_and_more(step: TourStep) -> None:
    text = " ".join(step_notes(step, 1, 12, width=60).split())
    for said in (step.question, *(point for _, point in step.points), *step.notes):
        assert said in text
    assert all(len(line) <= 60 for line in step_notes(step, 1, 12, width=60).splitlines())


def test_all_notes_are_one_text() -> None:
    text = all_notes(STEPS)
    places = [text.index(f"{n}/12  {step.title}") for n, step in enumerate(STEPS, 1)]
    assert places == sorted(places)
