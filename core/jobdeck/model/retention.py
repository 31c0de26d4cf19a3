"""Retention rules: for how long, and how many, final jobs are kept."""

from __future__ import annotations

from .record_class import record
from .states import FINAL, State

FINAL_STATES = tuple(state for state in State if state in FINAL)
"""The final states, in the order of `State`."""

GIVEN_BACK_KEPT = 100
"""The number of a job's snoozed and released attempts that are kept, the newest ones: neither uses up an attempt, so a job can
have any number of them. All other attempts are kept as long as the job."""


@record
class RetentionRule:
    """The retention of the jobs in one final state. Jobs beyond either bound are pruned, oldest first."""

    state: State
    older_than: float | None = None
    """Maximum age, in seconds since a job became final; `None` means no limit."""
    keep: int | None = None
    """Maximum number of jobs to keep, the newest ones; `None` means no limit."""

    @property
    def has_bounds(self) -> bool:
        """Return whether the rule has any bound."""
        return self.older_than is not None or self.keep is not None
