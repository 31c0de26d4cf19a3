"""How long, and how many, final jobs are kept: history by age and by count."""

from __future__ import annotations

from dataclasses import dataclass

from .states import FINAL, State

FINAL_STATES = tuple(state for state in State if state in FINAL)
"""The states that history is made of, in the order in which `State` lists them."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What is kept of the jobs of one final state. What either bound excludes is pruned, the oldest first."""

    state: State
    older_than: float | None = None
    """Seconds since a job became final after which it is pruned; `None` means no bound."""
    keep: int | None = None
    """How many of the newest are kept at most; `None` means no bound."""

    @property
    def bounds(self) -> bool:
        """Whether the rule excludes anything at all."""
        return self.older_than is not None or self.keep is not None
