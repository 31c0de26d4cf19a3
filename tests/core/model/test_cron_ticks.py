"""Ticks in the nights in which the clock changes, held against a model that tries every second or minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from jobdeck import next_ticks

CHANGES = {
    "Europe/London": ("2026-03-29T01:00", "2026-10-25T01:00"),
    "Europe/Berlin": ("2026-03-29T01:00", "2026-10-25T01:00"),
    "America/New_York": ("2026-03-08T07:00", "2026-11-01T06:00"),
    "America/Havana": ("2026-03-08T05:00", "2026-11-01T05:00"),  # at midnight
    "America/Santiago": ("2026-04-05T03:00", "2026-09-06T04:00"),  # at midnight
    "Australia/Lord_Howe": ("2026-04-04T15:00", "2026-10-03T15:30"),  # by half an hour
    "Africa/Casablanca": ("2026-02-15T02:00", "2026-03-22T02:00"),
    "Antarctica/Troll": ("2026-03-29T01:00", "2026-10-25T01:00"),  # by two hours
    "Pacific/Apia": ("2011-12-30T10:00", "2012-03-31T14:00"),  # skipped a whole day
    "Asia/Kolkata": ("2026-03-29T01:00", "2026-10-25T01:00"),  # never
}


def at(zone: str, text: str, *, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def ticks(cron: str, zone: str, start: str, n: int) -> list[str]:
    found = next_ticks(cron, zone, after=at(zone, start), n=n)
    return [datetime.fromtimestamp(tick, ZoneInfo(zone)).isoformat(" ", "seconds") for tick in found]


def test_a_list_of_seconds_in_the_skipped_hour_happens_right_after_it() -> None:
    assert ticks("0,30 30 1 * * *", "Europe/London", "2026-03-28 12:00", 4) == [
        "2026-03-29 02:00:00+01:00", "2026-03-29 02:00:30+01:00", "2026-03-30 01:30:00+01:00", "2026-03-30 01:30:30+01:00",
    ]  # fmt: skip


def test_a_list_of_seconds_in_the_repeated_hour_happens_once() -> None:
    assert ticks("0,30 30 1 * * *", "Europe/London", "2026-10-24 12:00", 4) == [
        "2026-10-25 01:30:00+01:00", "2026-10-25 01:30:30+01:00", "2026-10-26 01:30:00+00:00", "2026-10-26 01:30:30+00:00",
    ]  # fmt: skip


def test_all_seconds_of_a_fixed_minute_follow_the_rule_of_that_minute() -> None:
    night = ticks("* 30 1 * * *", "Europe/London", "2026-10-24 12:00", 61)
    assert night[0] == "2026-10-25 01:30:00+01:00"
    assert night[-2:] == ["2026-10-25 01:30:59+01:00", "2026-10-26 01:30:00+00:00"]


def test_an_interval_within_a_fixed_hour_matches_what_a_clock_with_half_an_hour_of_summer_time_shows() -> None:
    assert ticks("*/15 2 * * *", "Australia/Lord_Howe", "2026-04-05 01:40", 2) == [
        "2026-04-05 02:00:00+10:30", "2026-04-05 02:15:00+10:30",
    ]  # fmt: skip


def _offset(zone: str, moment: int) -> int:
    offset = datetime.fromtimestamp(moment, ZoneInfo(zone)).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


@lru_cache(maxsize=64)
def _local_minutes(zone: str, start: int, end: int) -> list[tuple[int, datetime]]:
    """Every minute from `start` to `end`, with what a clock of the zone shows."""
    return [(each, datetime.fromtimestamp(each, ZoneInfo(zone)).replace(tzinfo=None)) for each in range(start, end, 60)]


def model(seconds: list[int], rest: str, zone: str, start: int, end: int) -> Iterator[int]:
    """Return the ticks from `start` to `end` by trying every minute."""
    minute, hour, *_ = rest.split()
    shown = _local_minutes(zone, start - 2 * 86_400, end + 2 * 86_400)
    days = [shown[0][1].date() + timedelta(days=n) for n in range(6 + (end - start) // 86_400)]
    first = datetime.combine(days[0], datetime.min.time()) - timedelta(seconds=1)
    wanted = set(takewhile(lambda each: each.date() <= days[-1], CronSim(rest, first)))
    if minute.startswith("*") or hour.startswith("*"):
        starts = {moment for moment, local in shown if local.replace(fold=0) in wanted}
    else:
        firsts: dict[datetime, int] = {}
        for moment, local in shown:
            firsts.setdefault(local.replace(fold=0), moment)
        starts = set()
        for each in wanted:
            if each in firsts:
                starts.add(firsts[each])
            elif (later := [moment for local, moment in firsts.items() if local > each]) and each > shown[0][1]:
                starts.add(min(later))
    return (each for moment in sorted(starts) for second in seconds if start < (each := moment + second) < end)


FIELDS = st.tuples(
    st.sampled_from([[0], [17], [0, 30], [5, 6, 59], list(range(60))]),
    st.sampled_from(["30", "0", "0,30", "59", "*/15", "*", "1-59/29"]),
    st.sampled_from(["1", "2", "0", "3", "1-3", "*", "*/2", "0-23", "23,1"]),
    st.sampled_from(["* * *", "* * 0", "29 3 *", "L * *", "* * SUN#1", "1-7 * SAT"]),
)


@pytest.mark.parametrize("zone", CHANGES)
@settings(max_examples=10, deadline=None)
@given(fields=FIELDS, change=st.sampled_from([0, 1]), ahead=st.floats(-9000, 100_000))
def test_the_ticks_of_nights_with_and_without_changes_are_those_of_the_model(
    zone: str, fields: tuple[list[int], str, str, str], change: int, ahead: float
) -> None:
    seconds, minute, hour, days = fields
    rest = f"{minute} {hour} {days}"
    moment = int(datetime.fromisoformat(CHANGES[zone][change]).replace(tzinfo=UTC).timestamp())
    if zone != "Asia/Kolkata":
        assert _offset(zone, moment - 1) != _offset(zone, moment), "no change at this moment"
    day = moment - moment % 86_400
    after = moment - ahead
    expected = list(model(seconds, rest, zone, day - 2 * 86_400, day + 2 * 86_400))
    expected = [each for each in expected if each > after][:200]
    cron = f"{','.join(map(str, seconds))} {rest}"
    found = next_ticks(cron, zone, after=after, n=len(expected) or 1)
    assert list(found)[: len(expected)] == expected
    if not expected:
        assert found[0] >= day + 2 * 86_400
    if seconds == [0]:
        assert next_ticks(rest, zone, after=after, n=len(expected) or 1) == found
