"""The jobs that an operation on a filter changes: those that match, and whose state allows it. Pure."""

from __future__ import annotations

from .filter import Condition, Term, parse_filter
from .states import Operation, State, allows


def allowed_jobs(operation: Operation, filter: str) -> Condition:
    """Narrow a filter to the states that allow the operation. Completed jobs are retried only if the filter names the state.

    Raises:
        InvalidFilter: the filter cannot be parsed.
    """
    condition = parse_filter(filter)
    states = [state for state in State if allows(operation, state)]
    if operation is Operation.RETRY and not any(term.field == "state" for term in condition.terms):
        states.remove(State.COMPLETED)
    return condition.and_(Term("state", ":", tuple(str(state) for state in states)))
