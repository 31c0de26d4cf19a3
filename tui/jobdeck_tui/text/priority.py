"""Priorities: as people type them, and as aging raises them. Pure; the commands and the cockpit share it."""

from __future__ import annotations

from jobdeck import InvalidOption, Job, State, effective_priority


def read_priority(text: str) -> tuple[int, bool]:
    """Read `10`, `=-5`, `+5` or `-5`; return the number, and whether it is added to the current priority.

    Raises:
        InvalidOption: the text is none of these.
    """
    typed = text.strip()
    try:
        number = int(typed.removeprefix("="))
    except ValueError:
        raise InvalidOption("priority", f"must be a whole number such as 10, +5 or -5, not {typed!r}") from None
    if not -(2**31) <= number < 2**31:
        raise InvalidOption("priority", "must fit into 32 bits")
    return number, typed[0] in "+-"


def format_priority(number: int) -> str:
    """Return the text that sets this priority."""
    return str(number) if number >= 0 else f"={number}"


def priority_problem(text: str) -> str | None:
    """Return what is wrong with a priority that is being typed, `None` if it is valid."""
    try:
        read_priority(text)
    except InvalidOption as error:
        return error.problem
    return None


def aged_priority(job: Job, now: float, ageing: float) -> int | None:
    """Return the priority that a claim uses; `None` if priorities do not age, or the job is not ready.

    Args:
        job: the job.
        now: seconds since 1970 UTC.
        ageing: seconds, see JOBDECK_AGEING.
    """
    if not ageing or job.state is not State.PENDING:
        return None
    return effective_priority(job.priority, job.scheduled_at, now, ageing)
