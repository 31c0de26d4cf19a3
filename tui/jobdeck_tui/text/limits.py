"""Limits of a queue as people write them: `4 at once, 100/1m`. Pure; the commands and the cockpit share it."""

from __future__ import annotations

import re

from jobdeck import Limits, parse_duration

from .format import number, span

FORM = "4 at once, 100/1m"
_MOST = 10**9
_LONGEST = 31 * 86400.0
_AT_ONCE = re.compile(r"(\d+)(?:\s*at once)?")
_RATE = re.compile(r"(\d+)\s*(?:/|per\b)\s*(\S.*)")
_THOUSANDS = re.compile(r"\d,\d{3}(?!\d)")


def read_rate(text: str) -> tuple[int, float]:
    """A rate, `100/1m` or `5 per s`, as a number of jobs and the seconds in which so many may start.

    Raises:
        ValueError: it is none. The message says what was expected.
    """
    number, _, period = text.replace("per", "/", 1).replace(" ", "").partition("/")
    try:
        # 100/m is 100/1m.
        return int(number), parse_duration(period if period[:1].isdigit() or not period else f"1{period}")
    except ValueError:
        raise ValueError(f"{text!r} is not a rate such as 100/1m or 5/s") from None


def read_limits(text: str) -> Limits:
    """Limits as they are typed: how many at once, a rate, both with a comma between, or `none`.

    Raises:
        ValueError: they cannot be read, or are out of range. The message says what was expected.
    """
    if _THOUSANDS.search(text):
        raise ValueError("put a blank after the comma, and no comma into a number")
    running: int | None = None
    rate: tuple[int, float] | None = None
    for part in filter(None, (each.strip().lower() for each in text.split(","))):
        if part == "none":
            if text.strip().lower() != "none":
                raise ValueError("none stands alone")
        elif found := _AT_ONCE.fullmatch(part):
            if running is not None:
                raise ValueError("two numbers at once: keep one of them")
            running = _whole(int(found[1]))
        elif _RATE.fullmatch(part):
            if rate is not None:
                raise ValueError("two rates: keep one of them")
            rate = read_rate(part)
            _whole(rate[0])
            if not 0.001 <= rate[1] <= _LONGEST:
                raise ValueError("the time of a rate is from 0.001s to 31d")
        else:
            raise ValueError(f"{part!r} is neither a number such as 4 nor a rate such as 100/1m")
    return Limits(running=running, rate=rate and rate[0], period=rate and rate[1])


def problem_of(text: str) -> str | None:
    """What is wrong with limits as they are typed; `None` where nothing is."""
    try:
        read_limits(text)
    except ValueError as problem:
        return str(problem)
    return None


def typed(limits: Limits) -> str:
    """The limits as one would type them; `read_limits` reads it back."""
    parts = [] if limits.running is None else [f"{limits.running} at once"]
    if limits.rate is not None:
        parts.append(f"{limits.rate}/{span(limits.period or 1.0)}")
    return ", ".join(parts) or "none"


def in_words(limits: Limits, running: int) -> list[str]:
    """What the limits mean, a sentence each; `running` jobs of the queue run now."""
    told = []
    if limits.running is not None:
        now = "that many do" if running >= limits.running else f"{number(running)} {'does' if running == 1 else 'do'}"
        told.append(f"At most {number(limits.running)} run at once, in all processes together: now {now}.")
    if limits.rate is not None:
        start = "job starts" if limits.rate == 1 else "jobs start"
        told.append(f"At most {number(limits.rate)} {start} in any {span(limits.period or 1.0)}.")
    return told or ["None: its jobs run as soon as a thread is free."]


def _whole(n: int) -> int:
    if not 1 <= n <= _MOST:
        raise ValueError(f"a limit is from 1 to {_MOST:,}; none lifts it")
    return n
