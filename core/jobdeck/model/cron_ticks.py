"""Compute the times at which a cron expression matches, through the nights in which the clock changes. Pure.

The rules are those of Debian's cron(8), and the fields of the minute and the hour decide between them:

- **Fixed times of day**: neither field starts with `*`. Each matching minute happens once a day. A minute that the clock skips
  happens when the clock has changed; one that the clock repeats happens the first time only.
- **Intervals**: all others. They match whenever the clock shows a matching time, so they skip what the clock skips and repeat
  what it repeats.

The seconds of an expression with six fields apply within each matching minute.

The library that parses expressions is used on local time without a zone only: it does not apply these rules to expressions with
seconds, and passes over ticks where the clock changes by half an hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from math import floor

from cronsim import CronSim

_DAY = 86_400
_EPOCH = datetime(1970, 1, 1)
_SECOND = timedelta(seconds=1)


def compute_ticks(expression: str, zone: tzinfo, after: float) -> Iterator[float]:
    """Return the ticks later than `after`, in order, until none is found in 50 years.

    Args:
        expression: five or six valid fields.
        zone: the time zone of its fields.
        after: seconds since 1970.
    """
    *second, minute, hour, _, _, _ = expression.split()
    if minute.startswith("*") or hour.startswith("*"):
        return _interval_ticks(expression, zone, floor(after))
    seconds = sorted(CronSim(expression, _EPOCH).seconds) if second else [0]
    return _fixed_ticks(" ".join(expression.split()[-5:]), seconds, zone, floor(after))


def _interval_ticks(expression: str, zone: tzinfo, after: int) -> Iterator[float]:
    now = after + 1
    while True:
        offset = _offset(zone, now)
        found = next(CronSim(expression, _EPOCH + timedelta(seconds=now + offset) - _SECOND), None)
        if found is None:
            return
        tick = _seconds(found) - offset
        change = _next_change(zone, now, tick)
        if change is None:
            yield float(tick)
            now = tick + 1
        else:
            now = change


def _fixed_ticks(expression: str, seconds: list[int], zone: tzinfo, after: int) -> Iterator[float]:
    # Minutes that the clock skipped shortly before, by a day at most, may still have ticks.
    skipped = _DAY if _next_change(zone, after - _DAY - 60, after) is not None else 0
    last = after - 60
    for minute in CronSim(expression, _EPOCH + timedelta(seconds=after + _offset(zone, after) - 60 - skipped)):
        start = _instant(minute, zone)
        if start > last:  # several skipped minutes happen at the same time, as one
            last = start
            yield from (float(start + second) for second in seconds if start + second > after)


def _instant(minute: datetime, zone: tzinfo) -> int:
    """Return when a clock of this zone first shows the time, or a later one if it skips that."""
    early, late = (int(minute.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (1, 0))
    if early >= late:
        return late
    return _next_change(zone, early, late) or late  # only for a time that the clock skips is the order reversed


def _next_change(zone: tzinfo, start: int, end: int) -> int | None:
    """Return the first second after `start`, and not after `end`, with another offset from UTC than at `start`."""
    offset = _offset(zone, start)
    while start < end:
        stop = min(start + _DAY, end)  # no zone changes twice a day
        if _offset(zone, stop) == offset:
            start = stop
            continue
        while stop - start > 1:
            middle = (start + stop) // 2
            if _offset(zone, middle) == offset:
                start = middle
            else:
                stop = middle
        return stop
    return None


def _offset(zone: tzinfo, moment: int) -> int:
    """Return the seconds by which the zone is ahead of UTC."""
    offset = datetime.fromtimestamp(moment, zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def _seconds(local: datetime) -> int:
    return int((local.replace(tzinfo=UTC)).timestamp())
