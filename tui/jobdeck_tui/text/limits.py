"""Parse and format the limits of a queue: `4 at once, 100/1m`. Pure; the commands and the cockpit share it."""

from __future__ import annotations

import re

from jobdeck import Limits, parse_duration

from .format import number, span

EXAMPLE = "4 at once, 100/1m"
_MOST = 10**9
_LONGEST = 31 * 86400.0
_AT_ONCE = re.compile(r"(\d+)(?:\s*at once)?")
_RATE = re.compile(r"(\d+)\s*(?:/|per\b)\s*(\S.*)")
_THOUSANDS = re.compile(r"\d,\d{3}(?!\d)")


def read_rate(text: str) -> tuple[int, float]:
    """Parse a rate, `100/1m` or `5 per s`, into a number of jobs and the period in seconds.

    Raises:
        ValueError: the text is not a rate. The message says what was expected.
    """
    number, _, period = text.replace("per", "/", 1).replace(" ", "").partition("/")
    try:
        # 100/m is 100/1m.
        return int(number), parse_duration(period if period[:1].isdigit() or not period else f"1{period}")
    except ValueError:
        raise ValueError(f"{text!r} is not a rate such as 100/1m or 5/s") from None


def read_limits(text: str) -> Limits:
    """Parse typed limits: a number of jobs at once, a rate, both with a comma between, or `none`.

    Raises:
        ValueError: the text cannot be parsed, or is out of range. The message says what was expected.
    """
    if _THOUSANDS.search(text):
        raise ValueError("use a comma only between limits, followed by a blank, never inside a number")
    running: int | None = None
    rate: tuple[int, float] | None = None
    for part in filter(None, (each.strip().lower() for each in text.split(","))):
        if part == "none":
            if text.strip().lower() != "none":
                raise ValueError("none cannot be combined with other limits")
        elif found := _AT_ONCE.fullmatch(part):
            if running is not None:
                raise ValueError("the concurrency limit is given twice; remove one")
            running = _whole(int(found[1]))
        elif _RATE.fullmatch(part):
            if rate is not None:
                raise ValueError("two rates; keep one")
            rate = read_rate(part)
            _whole(rate[0])
            if not 0.001 <= rate[1] <= _LONGEST:
                raise ValueError("the period of a rate must be from 0.001s to 31d")
        else:
            raise ValueError(f"{part!r} is neither a number such as 4 nor a rate such as 100/1m")
    return Limits(running=running, rate=rate and rate[0], period=rate and rate[1])


def limits_problem(text: str) -> str | None:
    """Return what is wrong with typed limits, `None` if they are valid."""
    try:
        read_limits(text)
    except ValueError as problem:
        return str(problem)
    return None


def format_limits(limits: Limits) -> str:
    """Return the limits as they are typed; `read_limits` parses the text."""
    parts = [] if limits.running is None else [f"{limits.running} at once"]
    if limits.rate is not None:
        parts.append(f"{limits.rate}/{span(limits.period or 1.0)}")
    return ", ".join(parts) or "none"


def explain_limits(limits: Limits, running: int) -> list[str]:
    """Explain the limits, one sentence each; `running` is the number of running jobs of the queue."""
    sentences = []
    if limits.running is not None:
        now = "limit reached" if running >= limits.running else f"{number(running)} now"
        sentences.append(f"At most {number(limits.running)} run at once across all processes ({now}).")
    if limits.rate is not None:
        start = "job starts" if limits.rate == 1 else "jobs start"
        sentences.append(f"At most {number(limits.rate)} {start} in any {span(limits.period or 1.0)}.")
    return sentences or ["No limits: jobs run as soon as a thread is free."]


def _whole(n: int) -> int:
    if not 1 <= n <= _MOST:
        raise ValueError(f"a limit must be from 1 to {_MOST:,}; none removes it")
    return n
