"""Names that a mistyped one may mean."""

from __future__ import annotations

import pytest

from jobdeck import did_you_mean
from jobdeck.model.errors import JobdeckError, UnknownKind
from jobdeck.model.suggestions import closest_name

KINDS = ("mail.send", "mail.receive", "img.resize", "shell")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("mial.send", "mail.send"),
        ("send", "mail.send"),
        ("resise", "img.resize"),
        ("SHELL", "shell"),
        ("img", "img.resize"),
        ("mail", None),  # there are two
        ("report", None),
        ("", None),
    ],
)
def test_a_mistyped_kind_is_matched_as_a_whole_by_its_last_part_or_by_its_start(typed: str, meant: str | None) -> None:
    assert closest_name(typed, KINDS) == meant
    assert did_you_mean(typed, KINDS) == ("" if meant is None else f"; did you mean {meant}?")


def test_an_unknown_kind_names_a_similar_one_or_all() -> None:
    assert str(UnknownKind("mial.send", KINDS)) == (
        "Unknown kind 'mial.send'; did you mean mail.send? If not, set JOBDECK_APP or --app to its module."
    )
    assert "(known: img.resize, mail.receive, mail.send, shell)" in str(UnknownKind("report", KINDS))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("The disk failed: it is full..", "The disk failed: it is full."),
        ("Did you mean this?.", "Did you mean this?"),
        ("No.. Again.", "No. Again."),
        ("And so on...", "And so on..."),
        ("In the folder .. it is.", "In the folder .. it is."),
    ],
)
def test_a_quoted_message_that_ends_with_a_full_stop_gets_no_second_one(text: str, shown: str) -> None:
    assert str(JobdeckError(text)) == shown
