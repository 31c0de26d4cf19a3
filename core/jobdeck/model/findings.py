"""The findings of `jobdeck doctor`, and what to do about them."""

from __future__ import annotations

from enum import StrEnum

from .record_class import record


class Severity(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    """Works, but may cause surprises or become a problem."""
    PROBLEM = "problem"
    """Jobs are, or may get, lost or stuck."""


@record
class Finding:
    """The result of one check."""

    check: str
    """What was checked, in one or two words."""
    severity: Severity
    message: str
    """What was found, as a sentence."""
    advice: str = ""
    """What to do about it; empty if nothing needs to be done."""
