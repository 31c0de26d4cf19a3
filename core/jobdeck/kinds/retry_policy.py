"""The retry policy of a kind: which errors are retried, and after which delay."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..model.backoff import CAP, FIRST, LONGEST, Bounds, parse_bounds
from ..model.foreign_errors import flatten_group, is_named
from ..model.record_class import record

CustomBackoff = Callable[[int, BaseException], float]
"""The number of the failed attempt (1 for the first) and its exception → seconds until the next attempt."""

Errors = tuple[type[BaseException], ...]


@record
class RetryPolicy:
    """The retry policy of a kind."""

    backoff: Bounds | CustomBackoff | None = None
    """The first step and the maximum in seconds, or a custom function; the default bounds if `None`."""
    retry_on: Errors | None = None
    """If set, only these errors are retried."""
    give_up_on: Errors = ()
    """These errors are never retried, even if they are in `retry_on`."""

    @property
    def bounds(self) -> Bounds | None:
        """The first step and the maximum of the backoff, in seconds; `None` if a custom function computes it."""
        if self.backoff is None:
            return FIRST, CAP
        return None if callable(self.backoff) else self.backoff

    @classmethod
    def validate(cls, backoff: Any, retry_on: Any, give_up_on: Any) -> RetryPolicy:
        """Return the policy if it is valid.

        Raises:
            ValueError: a part of it is invalid; the message names it.
        """
        chosen: Bounds | CustomBackoff | None = backoff
        if backoff is not None and not callable(backoff):
            try:
                chosen = parse_bounds(backoff)
            except ValueError as problem:
                raise ValueError(f"backoff {problem}; or a function") from None
        retried = None if retry_on is None else _check_types("retry_on", retry_on)
        return cls(chosen, retried, _check_types("give_up_on", give_up_on))

    def gives_up_on(self, error: BaseException) -> bool:
        """Return whether this error is not retried.

        An exception group is not retried if one of its errors is in `give_up_on`, or if one is not in `retry_on`.
        """
        if any(is_named(each, *self.give_up_on) for each in (error, *flatten_group(error))):
            return True
        if self.retry_on is None or is_named(error, *self.retry_on):
            return False
        return not all(is_named(each, *self.retry_on) for each in flatten_group(error))


def type_names(errors: Errors) -> tuple[str, ...]:
    """Return the readable names of the types: with their modules, except for types of Python and of jobdeck."""
    return tuple(
        each.__qualname__
        if each.__module__ == "builtins" or each.__module__.partition(".")[0] == "jobdeck"
        else f"{each.__module__}.{each.__qualname__}"
        for each in errors
    )


def custom_delay(backoff: CustomBackoff, attempt: int, error: BaseException) -> float:
    """Return the delay that the user's function computes. The function may raise any exception.

    Raises:
        ValueError: the result is not a valid number of seconds.
    """
    seconds = float(backoff(attempt, error))
    if not 0 <= seconds < LONGEST:  # also refuses nan
        raise ValueError(f"a delay must be from 0 seconds to 300 years, not {seconds:g} seconds")
    return seconds


def _check_types(name: str, value: type[BaseException] | Iterable[Any]) -> Errors:
    types = (value,) if isinstance(value, type) else tuple(value)
    if not all(isinstance(each, type) and issubclass(each, BaseException) for each in types):
        raise ValueError(f"{name} must be exception types")
    return types
