"""Exceptions that resist being read, by name, and kinds that raise them. Child processes import this file."""

from __future__ import annotations

import asyncio
import linecache
from collections.abc import Callable
from typing import Any, NoReturn

from jobdeck import GiveUp, Snooze, job

LONG_CHAIN = 3000


def refuse(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError("not to be read")


class Declined(Exception):
    """The exception that the policy of a kind names."""


class NoAttributes(Exception):
    def __getattribute__(self, name: str) -> Any:
        refuse()


class NoOtherAttributes(Exception):
    def __getattr__(self, name: str) -> Any:
        raise SystemExit(name)


class NoText(Exception):
    __str__ = __repr__ = refuse


class ExitingText(Exception):
    def __str__(self) -> str:
        raise SystemExit("while it is printed")

    __repr__ = __str__


class NumberText(Exception):
    def __str__(self) -> str:
        return 7  # type: ignore[return-value]


class EndlessText(Exception):
    def __str__(self) -> str:
        return str(self)


class Trap(str):
    """A text whose methods all raise."""

    __len__ = __getitem__ = __iter__ = isascii = encode = format = replace = split = refuse  # type: ignore[assignment]
    __eq__ = __add__ = __mod__ = __format__ = __hash__ = refuse  # type: ignore[assignment]


class TrapText(Exception):
    def __str__(self) -> str:
        return Trap("a trap")


class LyingClass(Exception):
    @property
    def __class__(self) -> Any:
        refuse()


class PretendsToSnooze(Exception):
    __class__ = Snooze  # type: ignore[assignment]


class NoSeconds(Snooze):
    def __init__(self) -> None:
        Exception.__init__(self, "no seconds")


class OddSeconds(Snooze):
    @property
    def seconds(self) -> Any:  # type: ignore[override]
        refuse()

    @seconds.setter
    def seconds(self, value: float) -> None:
        pass


class Meta(type):
    __name__ = property(refuse)  # type: ignore[assignment]
    __module__ = property(refuse)  # type: ignore[assignment]
    __mro__ = property(refuse)  # type: ignore[assignment]
    __instancecheck__ = __eq__ = __hash__ = __repr__ = refuse  # type: ignore[assignment]

    def __getattribute__(cls, name: str) -> Any:
        refuse()


class MetaTrap(Exception, metaclass=Meta):
    pass


class OddModule(Exception):
    __module__ = 7  # type: ignore[assignment]


class OddNotes(Exception):
    __notes__ = property(refuse)


class OddLinks(Exception):
    __cause__ = property(refuse)  # type: ignore[assignment]
    __context__ = property(refuse)  # type: ignore[assignment]
    __traceback__ = property(refuse)  # type: ignore[assignment]
    __suppress_context__ = property(refuse)  # type: ignore[assignment]
    args = property(refuse)  # type: ignore[assignment]


class OddGroup(ExceptionGroup[Exception]):
    exceptions = property(refuse)  # type: ignore[assignment]
    derive = split = subgroup = refuse  # type: ignore[assignment]


def _cycle() -> BaseException:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    one.__context__ = two
    return one


def _chain() -> BaseException:
    error = ValueError("first")
    for number in range(LONG_CHAIN):
        following = ValueError(f"number {number}")
        following.__context__ = error
        error = following
    return error


def _deep_group() -> BaseException:
    error: Exception = ValueError("innermost")
    for _ in range(LONG_CHAIN):
        error = ExceptionGroup("around", [error])
    return error


def _wide_group() -> BaseException:
    """Return a group whose members, counted by path, are more than could ever be visited."""
    error: Exception = ValueError("innermost")
    for _ in range(60):
        error = ExceptionGroup("twice", [error, error])
    return error


def _notes() -> BaseException:
    error = ValueError("noted")
    error.__notes__ = [Trap("note"), NoText(), 7]  # type: ignore[attr-defined]
    return error


def _syntax() -> BaseException:
    error = SyntaxError("odd")
    error.text, error.filename, error.lineno, error.offset = NoText(), 3, "x", refuse  # type: ignore[assignment]
    return error


def _attribute() -> BaseException:
    class Hidden:
        __dir__ = __getattr__ = refuse

    return AttributeError("odd", name="colour", obj=Hidden())


class _Loader:
    get_source = refuse


def _source() -> BaseException:
    """Return an exception raised in a module whose loader raises when it is asked for the source."""
    linecache.checkcache("<nowhere>")
    scope: dict[str, Any] = {"__name__": "nowhere", "__loader__": _Loader()}
    exec(compile("def go():\n    raise ValueError('sourceless')\n", "<nowhere>", "exec"), scope)
    try:
        scope["go"]()
    except ValueError as error:
        return error
    raise AssertionError


ODD: dict[str, Callable[[], BaseException]] = {
    "attributes": NoAttributes,
    "getattr": NoOtherAttributes,
    "text": NoText,
    "exit-text": ExitingText,
    "number-text": NumberText,
    "endless-text": EndlessText,
    "trap-text": TrapText,
    "lone-surrogate": lambda: ValueError("\ud800\0\x1b[2J"),
    "huge-text": lambda: ValueError("x" * 5_000_000),
    "class": LyingClass,
    "pretends-to-snooze": PretendsToSnooze,
    "no-seconds": NoSeconds,
    "odd-seconds": lambda: OddSeconds(1),
    "metaclass": MetaTrap,
    "module": OddModule,
    "long-name": type("E" * 100_000, (Exception,), {}),
    "notes-property": OddNotes,
    "notes": _notes,
    "links": OddLinks,
    "group": lambda: OddGroup("odd", [ValueError("inside"), NoText()]),
    "base-group": lambda: BaseExceptionGroup("exits", [SystemExit(1), KeyboardInterrupt()]),
    "deep-group": _deep_group,
    "wide-group": _wide_group,
    "cycle": _cycle,
    "chain": _chain,
    "syntax": _syntax,
    "attribute": _attribute,
    "source": _source,
    "exit": lambda: SystemExit(NoText()),
    "interrupt": KeyboardInterrupt,
    "generator-exit": GeneratorExit,
    "stop-iteration": StopIteration,
    "stop-async-iteration": StopAsyncIteration,
    "cancelled": asyncio.CancelledError,
    "give-up-without-text": lambda: GiveUp(NoText()),  # type: ignore[arg-type]
    "recursion": RecursionError,
    "memory": MemoryError,
}
"""Makes each exception."""


def _raise(what: str) -> NoReturn:
    make = ODD[what]
    raise make()


@job(name="odd.thread", max_attempts=1)
def odd_thread(what: str) -> None:
    _raise(what)


@job(name="odd.isolated", max_attempts=1, isolate=True)
def odd_isolated(what: str) -> None:
    _raise(what)


@job(name="odd.async", max_attempts=1)
async def odd_async(what: str) -> None:
    await asyncio.sleep(0)
    _raise(what)


@job(name="odd.innocent", max_attempts=1)
def innocent(number: int) -> int:
    return number


class DeclinedOddly(Declined):
    """Matches the policy, and cannot be read."""

    def __getattribute__(self, name: str) -> Any:
        refuse()

    __str__ = refuse  # type: ignore[assignment]


def _decline() -> NoReturn:
    raise DeclinedOddly


@job(name="declined.thread", max_attempts=5, give_up_on=Declined)
def declined_thread() -> None:
    _decline()


@job(name="declined.isolated", max_attempts=5, give_up_on=Declined, isolate=True)
def declined_isolated() -> None:
    _decline()


@job(name="declined.async", max_attempts=5, give_up_on=Declined)
async def declined_async() -> None:
    _decline()


@job(name="unlisted.isolated", max_attempts=5, retry_on=KeyError, isolate=True)
def unlisted() -> None:
    _decline()


Reloaded = type("Declined", (Exception,), {"__module__": __name__})
"""A class of the same module and name, as after a reload."""


@job(name="reloaded.isolated", max_attempts=5, give_up_on=Declined, isolate=True)
def reloaded() -> None:
    raise Reloaded


class OddResult(dict[str, int]):
    """A result that exits when it is read."""

    def items(self) -> Any:
        raise SystemExit("while it is written")

    __iter__ = __len__ = __repr__ = refuse  # type: ignore[assignment]


@job(name="result.thread", max_attempts=1)
def result_thread() -> object:
    return OddResult(a=1)


@job(name="result.isolated", max_attempts=1, isolate=True)
def result_isolated() -> object:
    return OddResult(a=1)


@job(name="result.async", max_attempts=1)
async def result_async() -> object:
    return OddResult(a=1)
