"""The retry policy of a kind: which failures are worth another attempt, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..model.backoff import CAP, FIRST, LONGEST, Bounds, bounds_of

OwnBackoff = Callable[[int, BaseException], float]
"""The attempt that failed (1 for the first) and what it raised → seconds until the next."""

Errors = tuple[type[BaseException], ...]


@dataclass(frozen=True, slots=True)
class Retries:
    """Which failures of a kind are retried, and when."""

    backoff: Bounds | OwnBackoff | None = None
    """The first step and the cap in seconds, or a function of one's own; the usual bounds when `None`."""
    retry_on: Errors | None = None
    """Where given, nothing else is retried."""
    give_up_on: Errors = ()
    """Never retried, whatever `retry_on` says."""

    @property
    def bounds(self) -> Bounds | None:
        """The first step and the cap of the pauses, in seconds; `None` where a function says how long they are."""
        if self.backoff is None:
            return FIRST, CAP
        return None if callable(self.backoff) else self.backoff

    @classmethod
    def of(cls, backoff: Any, retry_on: Any, give_up_on: Any) -> Retries:
        """The policy, checked.

        Raises:
            ValueError: a part of it cannot be one; the text names it.
        """
        chosen: Bounds | OwnBackoff | None = backoff
        if backoff is not None and not callable(backoff):
            try:
                chosen = bounds_of(backoff)
            except ValueError as problem:
                raise ValueError(f"backoff {problem}, or a function") from None
        wanted = None if retry_on is None else _errors("retry_on", retry_on)
        return cls(chosen, wanted, _errors("give_up_on", give_up_on))

    def give_up(self, error: BaseException) -> bool:
        """Whether this error is not worth another attempt.

        Of a group of errors, one that is given up on is enough, and each must be one that is retried.
        """
        if isinstance(error, self.give_up_on) or any(isinstance(each, self.give_up_on) for each in leaves(error)):
            return True
        if self.retry_on is None or isinstance(error, self.retry_on):
            return False
        return not all(isinstance(each, self.retry_on) for each in leaves(error))


def names_of(errors: Errors) -> tuple[str, ...]:
    """The types as a person reads them: those of Python and of jobdeck by their name alone, others with their module."""
    return tuple(
        each.__qualname__
        if each.__module__ == "builtins" or each.__module__.partition(".")[0] == "jobdeck"
        else f"{each.__module__}.{each.__qualname__}"
        for each in errors
    )


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The error; of an exception group, what is in it."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from leaves(each)
    else:
        yield error


def own_delay(backoff: OwnBackoff, attempt: int, error: BaseException) -> float:
    """What a function of the user's own says; it may raise anything.

    Raises:
        ValueError: it is no number of seconds.
    """
    seconds = float(backoff(attempt, error))
    if not 0 <= seconds < LONGEST:  # also refuses nan
        raise ValueError(f"a delay is from 0 seconds to 300 years, not {seconds:g}")
    return seconds


def _errors(name: str, given: type[BaseException] | Iterable[Any]) -> Errors:
    found = (given,) if isinstance(given, type) else tuple(given)
    if not all(isinstance(each, type) and issubclass(each, BaseException) for each in found):
        raise ValueError(f"{name} must be exception types")
    return found
