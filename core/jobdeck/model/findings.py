"""What a checkup finds, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    """Works, but may surprise or get worse."""
    PROBLEM = "problem"
    """Jobs are, or may be, lost or stuck."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    """What was looked at, in a word or two."""
    severity: Severity
    told: str
    """What was found, in a sentence."""
    advice: str = ""
    """What to do about it; empty where all is well."""
