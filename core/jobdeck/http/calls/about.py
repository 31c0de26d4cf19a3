"""Tells a client about the server before its first call."""

from __future__ import annotations

from ...model.record_class import record

PROTOCOL = 2
"""The version of the calls and their records. A client of another version is refused."""


@record(kw_only=True)
class About:
    """The server, its settings that concern a front, and the caller."""

    protocol: int
    """The version of the calls."""
    version: str
    """The version of jobdeck."""
    now: float
    """The clock that the times of its records are of."""
    actor: str
    """The name of the caller's token, under which its operations stand in the journal."""
    ageing: float
    lease: float
    max_attempts: int
    timeout: float
    max_args_bytes: int
