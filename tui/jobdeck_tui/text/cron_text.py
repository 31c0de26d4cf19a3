"""Cron expressions in words: `every day at 03:00`, `every weekday at 07:30`, `every 90 seconds`. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from jobdeck import JobdeckError, explain_cron

_AT = re.compile(r"At (\d\d:\d\d(?::\d\d)?)(?: on)? (.+)")
_WORDS = (
    ("Monday through Friday", "every weekday"),
    ("the first and the 15th day of month", "the 1st and the 15th"),
)


@lru_cache(maxsize=1024)
def describe_cron(cron: str) -> str:
    """Return the expression in words; the expression itself if it is invalid."""
    try:
        words = explain_cron(cron)
    except JobdeckError:
        return cron
    if found := _AT.fullmatch(words):
        words = f"{found[2]} at {found[1]}"
    words = re.sub(r"^(Every \w+ minute) of every hour$", r"\1", words)
    for long, shorter in _WORDS:
        words = words.replace(f"on {long}", shorter).replace(long, shorter)
    words = re.sub(r"^(?!every |the |each )(?=(?:Sun|Mon|Tues|Wednes|Thurs|Fri|Satur)day\b)", "every ", words)
    return words[:1].lower() + words[1:] if words.startswith(("Every", "At", "The")) else words


def has_zone(cron: str) -> bool:
    """Return whether the expression depends on a time zone."""
    return not cron.lower().lstrip("@").startswith("every")
