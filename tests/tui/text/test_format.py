"""Safe text, ages, durations and numbers, as the commands and the cockpit print them."""

from __future__ import annotations

import json
import unicodedata

import pytest

from jobdeck import State
from jobdeck_tui.text.format import ASCII_GLYPHS, COLORS, GLYPHS, age, duration, number, short_number
from jobdeck_tui.text.sanitize import clip, pad, safe, safe_json, width


def test_every_character_that_a_terminal_may_execute_is_shown_by_its_code() -> None:
    for number_ in [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xD800, 0xDFFF]:
        shown = safe(f"a{chr(number_)}b")
        assert shown.isascii()
        assert shown.isprintable()
        assert shown.startswith("a\\")
        assert shown.endswith("b")


def test_no_control_character_or_surrogate_passes() -> None:
    passed = [chr(n) for n in range(0x110000) if safe(chr(n), multiline=True) == chr(n)]
    assert {unicodedata.category(character) for character in passed} & {"Cc", "Cs"} == {"Cc"}
    assert [character for character in passed if unicodedata.category(character) == "Cc"] == ["\t", "\n"]


def test_line_feeds_and_tabs_stay_only_in_multiline_text() -> None:
    assert safe("a\tb\nc\r", multiline=True) == "a\tb\nc\\r"
    assert safe("a\tb\nc\r") == r"a\tb\nc\r"


def test_plain_text_of_any_language_is_unchanged() -> None:
    for text in ("naïve façade", "日本語", "👩‍🚀 ok", "a\u00a0b", "Ελληνικά"):
        assert safe(text) == text


def test_a_safe_json_document_has_the_same_value_and_no_control_characters() -> None:
    value = {"a": "\x1b]0;x\x07", "b": "\x7f\x9b31m", "c": "\u202e evil", "d": "\ud800", "e": "日本"}
    text = safe_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(text) == value
    assert text.isprintable()
    assert "日本" in text


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-5, "0s"), (0, "0s"), (12.9, "12s"), (59.9, "59s"), (60, "1m"), (7199, "1h"), (7200, "2h"), (5 * 86400, "5d")],
)
def test_an_age_has_one_unit(seconds: float, shown: str) -> None:
    assert age(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0ms"),
        (0.041, "41ms"),
        (0.9994, "999ms"),
        (0.9996, "1.0s"),
        (2.34, "2.3s"),
        (12.1, "12.1s"),
        (59.96, "1m00s"),
        (250, "4m10s"),
        (3599.6, "1h00m"),
        (3725, "1h02m"),
        (3 * 86400 + 4 * 3600, "3d04h"),
    ],
)
def test_a_duration_never_shows_sixty_of_anything(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("n", "shown"),
    [(0, "0"), (214, "214"), (999, "999"), (1000, "1.0k"), (1999, "1.9k"), (12_480, "12k"), (981_204, "981k")],
)
def test_a_short_number_takes_four_columns(n: int, shown: str) -> None:
    assert short_number(n) == shown
    assert len(shown) <= 4


def test_a_short_number_is_never_rounded_up_to_a_fifth_column() -> None:
    assert [short_number(n) for n in (999_999, 1_000_000, 12_345_678, 5_000_000_000)] == ["999k", "1.0M", "12M", "5.0G"]


def test_a_full_number_has_thousands_separators() -> None:
    assert number(1_234_567) == "1,234,567"


def test_every_state_has_a_one_column_glyph_an_ascii_glyph_and_a_color() -> None:
    for looks in (GLYPHS, ASCII_GLYPHS, COLORS):
        assert set(looks) == set(State)
    for glyphs in (GLYPHS, ASCII_GLYPHS):
        assert len(set(glyphs.values())) == len(State)
        assert all(width(glyph) == 1 for glyph in glyphs.values())
    assert "".join(ASCII_GLYPHS.values()).isascii()


def test_wide_characters_count_two_columns_and_are_never_cut_in_half() -> None:
    assert width("日本") == 4
    assert clip("日本語", 4) == "日…"
    assert width(pad("日本語", 4)) == 4
    assert pad("ab", 4, right=True) == "  ab"
    assert clip("abc", 0) == ""
