"""Ticks of cron expressions, names and intervals, also in the nights in which daylight saving time starts and ends."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.helpers import NOON

from jobdeck import InvalidCron, InvalidOption, explain_cron, local_zone, next_ticks

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def at(text: str, zone: str = "UTC", *, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def ticks(cron: str, start: str, n: int, zone: str = "UTC") -> list[str]:
    """Return the next ticks in the local time of that zone, with their UTC offset."""
    found = next_ticks(cron, zone, after=at(start, zone), n=n)
    return [datetime.fromtimestamp(tick, ZoneInfo(zone)).isoformat(" ", "seconds") for tick in found]


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("30 4 * * *", ["2026-01-31 04:30:00", "2026-02-01 04:30:00"]),
        ("@hourly", ["2026-01-31 01:00:00", "2026-01-31 02:00:00"]),
        ("@daily", ["2026-02-01 00:00:00", "2026-02-02 00:00:00"]),
        ("@midnight", ["2026-02-01 00:00:00", "2026-02-02 00:00:00"]),
        ("@weekly", ["2026-02-01 00:00:00", "2026-02-08 00:00:00"]),
        ("@Monthly", ["2026-02-01 00:00:00", "2026-03-01 00:00:00"]),
        ("@yearly", ["2027-01-01 00:00:00", "2028-01-01 00:00:00"]),
        ("0 9 * * mon-fri", ["2026-02-02 09:00:00", "2026-02-03 09:00:00"]),
        ("0 0 L * *", ["2026-02-28 00:00:00", "2026-03-31 00:00:00"]),
        ("*/20 * * * * *", ["2026-01-31 00:00:20", "2026-01-31 00:00:40"]),
        ("  15   30 4 * *  * ", ["2026-01-31 04:30:15", "2026-02-01 04:30:15"]),
        ("every 90s", ["2026-01-31 00:01:30", "2026-01-31 00:03:00"]),
        ("@every 1h30m", ["2026-01-31 01:30:00", "2026-01-31 03:00:00"]),
    ],
)
def test_the_next_ticks_match_the_expression(cron: str, expected: list[str]) -> None:
    assert [tick.removesuffix("+00:00") for tick in ticks(cron, "2026-01-31 00:00:00", 2)] == expected


@pytest.mark.parametrize("seconds", ["0 ", "", "17 "])
def test_a_fixed_time_in_the_hour_skipped_in_spring_happens_right_after_it(seconds: str) -> None:
    second = (seconds.strip() or "0").zfill(2)
    assert ticks(f"{seconds}30 2 * * *", "2026-03-28 12:00", 2, BERLIN) == [
        f"2026-03-29 03:00:{second}+02:00", f"2026-03-30 02:30:{second}+02:00",
    ]  # fmt: skip
    assert ticks(f"{seconds}15 2 * * *", "2026-03-07 12:00", 2, NEW_YORK) == [
        f"2026-03-08 03:00:{second}-04:00", f"2026-03-09 02:15:{second}-04:00",
    ]  # fmt: skip


def test_a_fixed_time_in_the_hour_repeated_in_autumn_happens_once() -> None:
    assert ticks("30 2 * * *", "2026-10-24 12:00", 2, BERLIN) == ["2026-10-25 02:30:00+02:00", "2026-10-26 02:30:00+01:00"]
    assert ticks("5 30 1 * * *", "2026-10-31 12:00", 2, NEW_YORK) == [
        "2026-11-01 01:30:05-04:00", "2026-11-02 01:30:05-05:00",
    ]  # fmt: skip


def test_a_fixed_time_is_not_repeated_if_computed_from_the_second_of_the_equal_hours() -> None:
    after = at("2026-10-25 02:10", BERLIN, fold=1)
    (tick,) = next_ticks("30 2 * * *", BERLIN, after=after, n=1)
    assert tick == at("2026-10-26 02:30", BERLIN)


def test_ticks_within_the_hour_continue_through_both_nights() -> None:
    spring = next_ticks("*/30 * * * *", BERLIN, after=at("2026-03-29 01:00", BERLIN), n=4)
    assert [tick - spring[0] for tick in spring] == [0, 1800, 3600, 5400]
    autumn = next_ticks("*/30 * * * *", NEW_YORK, after=at("2026-11-01 00:30", NEW_YORK), n=6)
    assert [tick - autumn[0] for tick in autumn] == [0, 1800, 3600, 5400, 7200, 9000]


@given(
    st.sampled_from(["30 2 * * *", "0 30 2 * * *", "*/15 * * * *", "0 0 * * *", "0,30 1-3 * * *", "every 7m", "9 0 2 * * 0"]),
    st.sampled_from([BERLIN, NEW_YORK, "UTC", "Australia/Lord_Howe", "America/Havana", "Africa/Casablanca"]),
    st.floats(NOON, NOON + 2 * 366 * 86400),
)
def test_ticks_are_later_than_the_start_and_each_leads_to_the_next(cron: str, zone: str, after: float) -> None:
    found = next_ticks(cron, zone, after=after, n=4)
    assert list(found) == sorted(set(found))
    assert found[0] > after
    alone = [after]
    while len(alone) < 5:
        alone += next_ticks(cron, zone, after=alone[-1], n=1)
    assert tuple(alone[1:]) == found


@pytest.mark.parametrize(
    ("cron", "field", "told"),
    [
        ("60 * * * *", "minute", "an invalid minute '60': must be 0 to 59"),
        ("75 0 0 * * *", "second", "an invalid second '75'"),
        ("* 24 * * *", "hour", "an invalid hour '24'"),
        ("* * 32 * *", "day-of-month", "an invalid day-of-month '32'"),
        ("0 0 30 2 *", "day-of-month", "a day that exists in the month"),
        ("* * * BAN *", "month", "an invalid month 'BAN'"),
        ("* * * * 8", "day-of-week", "an invalid day-of-week '8'"),
        (
            "* * * *",
            None,
            "must have five fields (minute hour day-of-month month day-of-week), or six with second first, not 4.",
        ),
        ("", None, "or six with second first, not 0."),
        ("@reboot", None, "is not one of @yearly"),
        ("0 0 */20 * 1L", None, "does not match any time in the next 50 years"),
        ("* * " + "9" * 5000 + " * *", None, "at most 200 characters"),
        ("0 3 * * *\x1b", None, "one line"),
        ("every day", None, "'day' is not a duration"),
        ("every 0s", None, "at least 1 second"),
        ("every 400d", None, "at most 1 year"),
        (5, None, "is not text"),
    ],
)
def test_an_invalid_expression_is_refused_in_a_sentence_that_names_the_field(cron: str, field: str | None, told: str) -> None:
    with pytest.raises(InvalidCron) as caught:
        next_ticks(cron, after=NOON)
    assert caught.value.field == field
    assert told in str(caught.value)
    assert str(caught.value).startswith("The cron expression ")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("zone", ["Mars/Phobos", "", "/etc/passwd", "../UTC", "Europe", "CEST ", "\0"])
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(InvalidOption, match="timezone must be a name such as UTC, Europe/Berlin"):
        next_ticks("@daily", zone, after=NOON)


def test_the_time_zone_of_the_machine_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    assert local_zone() == "America/New_York"
    monkeypatch.setenv("TZ", "EST5EDT,M3.2.0,M11.1.0")
    with pytest.raises(InvalidOption, match="timezone"):
        local_zone()


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 3 * * *", "At 03:00 every day"),
        ("@weekly", "At 00:00 on Sunday"),
        ("*/10 * * * * *", "Every 10th second of every minute"),
        ("every 90s", "Every 90 seconds"),
        ("every 1m", "Every minute"),
        ("every 36h", "Every 36 hours"),
        ("every 1s", "Every second"),
    ],
)
def test_an_expression_is_described_in_words(cron: str, words: str) -> None:
    assert explain_cron(cron) == words
