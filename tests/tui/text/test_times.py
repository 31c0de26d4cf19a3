"""Typed local times in the nights in which the clock changes, held against a model that tries every minute."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobdeck_tui.forms.options import read_option
from jobdeck_tui.text.times import local_time, parse_time

CHANGES = {
    "Europe/London": ("2026-03-29T01:00", "2026-10-25T01:00"),
    "Europe/Berlin": ("2027-03-28T01:00", "2026-10-25T01:00"),
    "America/New_York": ("2026-03-08T07:00", "2026-11-01T06:00"),
    "America/Havana": ("2026-03-08T05:00", "2026-11-01T05:00"),  # at midnight
    "America/Santiago": ("2026-04-05T03:00", "2026-09-06T04:00"),  # at midnight
    "America/St_Johns": ("2010-03-14T03:31", "2010-11-07T02:31"),  # a minute after midnight
    "Australia/Lord_Howe": ("2026-04-04T15:00", "2026-10-03T15:30"),  # by half an hour
    "Africa/Casablanca": ("2026-02-15T02:00", "2026-03-22T02:00"),
    "Antarctica/Troll": ("2026-03-29T01:00", "2026-10-25T01:00"),  # by two hours
    "Pacific/Apia": ("2011-12-30T10:00", "2012-03-31T14:00"),  # skipped a whole day
    "Asia/Kolkata": ("2026-03-29T01:00", "2026-10-25T01:00"),  # never
}
In = Callable[[str], None]


@contextmanager
def zones() -> Iterator[In]:
    """Yield a function that sets the zone of the machine."""

    def use(name: str) -> None:
        patch.setenv("TZ", name)
        time.tzset()

    with pytest.MonkeyPatch.context() as patch:
        yield use
    time.tzset()


@pytest.fixture
def zone() -> Iterator[In]:
    with zones() as use:
        yield use


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def read(text: str, now: str) -> str:
    """Return what a typed time means, in UTC."""
    return datetime.fromtimestamp(parse_time(text, utc(now)), UTC).strftime("%Y-%m-%dT%H:%M:%S")


@pytest.mark.parametrize("text", ["2027-03-28T02:30", "2027-03-28 02:00", "2027-03-28T02:59:59.5"])
def test_a_time_that_the_clock_skips_is_right_after_the_gap(zone: In, text: str) -> None:
    zone("Europe/Berlin")
    assert read(text, "2026-01-01T00:00") == "2027-03-28T01:00:00"  # 03:00 there


def test_a_zone_without_a_name_has_the_same_gap(zone: In) -> None:
    zone("CET-1CEST,M3.5.0,M10.5.0/3")
    assert read("2027-03-28T02:30", "2026-01-01T00:00") == "2027-03-28T01:00:00"
    assert read("02:30", "2027-03-27T12:00") == "2027-03-28T01:00:00"


def test_a_date_whose_midnight_is_skipped_starts_after_the_gap(zone: In) -> None:
    zone("America/Havana")
    assert read("2026-03-08", "2026-01-01T00:00") == "2026-03-08T05:00:00"  # 01:00 there


def test_of_a_repeated_time_the_next_one_to_come_is_meant(zone: In) -> None:
    zone("Europe/Berlin")
    for text in ("2026-10-25T02:30", "02:30"):
        assert read(text, "2026-10-24T12:00") == "2026-10-25T00:30:00"
        assert read(text, "2026-10-25T00:45") == "2026-10-25T01:30:00"  # 02:45 in summer time
    assert read("02:30", "2026-10-25T01:45") == "2026-10-26T01:30:00"


def test_the_form_reads_a_local_time_by_the_same_rule(zone: In) -> None:
    zone("Europe/Berlin")
    assert read_option("when", "02:30", utc("2026-10-25T00:45")) == ("at", utc("2026-10-25T01:30"))
    assert read_option("when", "2027-03-28 02:30", utc("2026-10-25T00:45")) == ("at", utc("2027-03-28T01:00"))


def test_a_time_in_the_repeated_hour_is_written_so_that_it_is_read_back(zone: In) -> None:
    zone("Europe/Berlin")
    written = [local_time(utc(f"2026-10-25T0{hour}:30")) for hour in range(3)]
    assert written == ["2026-10-25 02:30:00+02:00", "2026-10-25 02:30:00+01:00", "2026-10-25 03:30:00"]
    assert [parse_time(each) for each in written] == [utc(f"2026-10-25T0{hour}:30") for hour in range(3)]


@lru_cache(maxsize=64)
def _shown(name: str, start: int, end: int) -> list[tuple[int, datetime]]:
    """Every minute from `start` to `end`, with what a clock of the zone shows."""
    return [(each, datetime.fromtimestamp(each, ZoneInfo(name)).replace(tzinfo=None)) for each in range(start, end, 60)]


def model(name: str, around: int, local: datetime, now: float) -> float:
    """Return what the local time means by trying every minute."""
    shown = _shown(name, around - 4 * 86_400, around + 4 * 86_400)
    instants = [each for each, clock in shown if clock == local]
    if instants:
        return next((each for each in instants if each > now), instants[0])
    return next(each for (each, clock), (_, before) in zip(shown[1:], shown, strict=False) if before < local < clock)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(CHANGES)))
def test_any_time_near_a_change_means_what_the_model_finds(data: st.DataObject, name: str) -> None:
    around = int(utc(data.draw(st.sampled_from(CHANGES[name]))))
    minutes = st.integers(-26 * 60, 26 * 60)
    now = around + 60 * data.draw(minutes) + data.draw(st.sampled_from([0, 30]))
    local = datetime.fromtimestamp(around, ZoneInfo(name)).replace(tzinfo=None) + timedelta(minutes=data.draw(minutes))
    with zones() as use:
        use(name)
        found, next_found = parse_time(local.isoformat(), now), parse_time(local.strftime("%H:%M"), now)
    assert found == model(name, around, local, now)
    today = datetime.fromtimestamp(now, ZoneInfo(name)).replace(tzinfo=None)
    days = [today.replace(hour=local.hour, minute=local.minute, second=0) + timedelta(days=day) for day in (-1, 0, 1)]
    expected = min(found for day in days if (found := model(name, around, day, now)) > now)
    assert next_found == expected
