"""Regular expressions that are compiled when first used: each costs a command a third of a millisecond at its start."""

from __future__ import annotations

import re
from typing import Any, cast


def lazy_pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return what `re.compile` returns, compiled at the first use of one of its methods.

    Raises:
        re.error: at the first use, if the text is not a regular expression.
    """
    return cast("re.Pattern[str]", _LazyPattern(text, flags))


class _LazyPattern:
    def __init__(self, text: str, flags: int) -> None:
        self._source = text, flags

    def __getattr__(self, name: str) -> Any:
        # Called only for what is not there yet; the next call of this method costs nothing more than that of the pattern.
        found = getattr(re.compile(*self._source), name)
        setattr(self, name, found)
        return found
