"""Handlers that every way of running one must treat alike: in a thread, async, in a child of its own, in a pool, and inline."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, RootModel

from jobdeck import GiveUp, Snooze, Stopped, StoredSecretStr, TimedOut, context, job


class Color(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    tags: list[str]


class Order(BaseModel):
    id: int
    at: datetime
    items: dict[str, Decimal] = {}


class Odd(Exception):
    def __init__(self, code: int, *, detail: str = "") -> None:
        self.code = code

    def __str__(self) -> str:
        return f"code {self.code}"


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def plain(a: int, b: float, c: str, d: bool, e: None = None) -> str:
    return repr((a, b, c, d, e))


def untyped(value, other=None):  # type: ignore[no-untyped-def]
    return repr((value, other))


def converted(n: int, ratio: float, path: Path, color: Color) -> str:
    return repr((n, ratio, path, color))


def times(at: datetime, day: date, span: timedelta) -> str:
    return repr((at.isoformat(), at.utcoffset(), day, span))


def numbers(amount: Decimal, big: int, raw: bytes, key: UUID) -> str:
    return repr((amount, big, raw, key))


def collections(some: set[int], pair: tuple[int, str], by_id: dict[int, str]) -> str:
    return repr((some, pair, by_id))


def models(order: Order, point: Point, names: RootModel[list[str]]) -> str:
    return repr((order.id, order.at.isoformat(), order.items, point, names))


def secret(password: StoredSecretStr) -> str:
    return repr(password) + password.get_secret_value()


def defaults(n: int = 3, seen: list[int] = [], where: Path = Path("here"), none: int = None) -> str:  # type: ignore[assignment]  # noqa: B006, RUF013
    seen.append(n)
    return repr((n, seen, where, none))


def named_oddly(*, copy: str, model_config: int, self: Literal["a"]) -> str:
    return repr((copy, model_config, self))


def constrained(n: Annotated[int, Field(gt=0)], text: Annotated[str, "a text"]) -> str:
    return repr((n, text))


def returns_nothing() -> None:
    return None


def returns_nested() -> Any:
    return {"a": [1, 2.5, None, True, {"ü": "\U0001f600 \0"}], "b": (1, 2), 3: "three"}


def returns_a_set() -> Any:
    return {1}


def returns_nan() -> float:
    return float("nan")


def returns_too_much() -> str:
    return "x" * (1 << 20)


def returns_a_surrogate() -> str:
    return "a\ud800b"


def returns_a_model() -> Any:
    return Point(1, [])


def returns_a_large_number() -> int:
    return 10**400


def raises() -> None:
    raise ValueError("no such account")


def raises_without_text() -> None:
    raise OSError


def raises_an_odd_one() -> None:
    raise Odd(7, detail="x")


def raises_a_mute_one() -> None:
    raise Mute


def raises_a_surrogate() -> None:
    raise ValueError("a\ud800b\x1b[2J")


def raises_many_lines() -> None:
    raise ValueError("one\ntwo\r\nthree")


def raises_a_long_text() -> None:
    raise ValueError("x" * 20_000)


def raises_from_another() -> None:
    try:
        raise KeyError("inner")
    except KeyError as error:
        raise RuntimeError("outer") from error


def raises_with_a_note() -> None:
    error = ValueError("noted")
    error.add_note("look here")
    raise error


def raises_a_group() -> None:
    raise ExceptionGroup("both", [ValueError("a"), ExceptionGroup("inner", [OSError("b")])])


def raises_a_group_of_one_signal() -> None:
    raise ExceptionGroup("gave up", [GiveUp("stolen")])


def is_retried() -> None:
    raise ConnectionResetError("by peer")


def is_not_retried() -> None:
    raise ValueError("by policy")


def gives_up() -> None:
    raise GiveUp("the card was stolen")


def snoozes() -> None:
    raise Snooze(3600)


def stops() -> None:
    raise Stopped


def times_out() -> None:
    raise TimedOut


def exits() -> None:
    raise SystemExit(3)


def is_interrupted() -> None:
    raise KeyboardInterrupt


def cancels_itself() -> None:
    raise asyncio.CancelledError


def recurses() -> int:
    return recurses() + 1


def is_called_wrongly() -> None:
    plain()  # type: ignore[call-arg]


def describes_its_context() -> str:
    here = context()
    here.check()
    kind = here.kind.rpartition(".")[2]
    return repr((kind, here.job_id > 0, here.attempt, here.max_attempts, here.cancelled, here.timed_out, here.stopping))


def has_a_timeout() -> str:
    left = context().time_left()
    return repr(left is not None and 590 < left <= 600)


def reports_progress() -> None:
    context().progress(0.25)
    context().progress(7)


def logs() -> None:
    context().log.debug("in detail %d", 1)
    logging.getLogger("shop").warning("warned\ntwice")
    context().log.error("odd \ud800 \x1b[2J")
    try:
        raise ValueError("logged")
    except ValueError:
        logging.getLogger("shop").exception("caught")


AT = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
CASES: dict[Callable[..., Any], dict[str, Any]] = {
    plain: {"a": 1, "b": 0.1, "c": "Zoë \0", "d": True},
    untyped: {"value": {"a": [1, 2.0, None, {"b": "x"}]}},
    converted: {"n": "3", "ratio": 1, "path": "a/b", "color": "red"},
    times: {"at": AT, "day": date(2026, 1, 2), "span": timedelta(days=-3, microseconds=7)},
    numbers: {"amount": Decimal("1.10"), "big": 10**40, "raw": b"abc", "key": UUID(int=7)},
    collections: {"some": {1, 2}, "pair": (1, "a"), "by_id": {1: "a"}},
    models: {"order": Order(id=1, at=AT, items={"a": Decimal("1.0")}), "point": {"x": "1", "tags": ["a"]}, "names": ["a"]},
    secret: {"password": "hunter2"},
    named_oddly: {"copy": "a", "model_config": 1, "self": "a"},
    constrained: {"n": 3, "text": "a"},
}
CASES |= {
    handler: {}
    for handler in [
        defaults,
        returns_nothing,
        returns_nested,
        returns_a_set,
        returns_nan,
        returns_too_much,
        returns_a_surrogate,
        returns_a_model,
        returns_a_large_number,
        raises,
        raises_without_text,
        raises_an_odd_one,
        raises_a_mute_one,
        raises_a_surrogate,
        raises_many_lines,
        raises_a_long_text,
        raises_from_another,
        raises_with_a_note,
        raises_a_group,
        raises_a_group_of_one_signal,
        is_retried,
        is_not_retried,
        gives_up,
        snoozes,
        stops,
        times_out,
        exits,
        is_interrupted,
        cancels_itself,
        recurses,
        is_called_wrongly,
        describes_its_context,
        has_a_timeout,
        reports_progress,
        logs,
    ]
}


def _as_async(handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    async def wrapper(**arguments: Any) -> Any:
        await asyncio.sleep(0)
        return handler(**arguments)

    return wrapper


POLICY: dict[str, Any] = {"timeout": 600, "retry_on": (ConnectionError,), "backoff": lambda attempt, error: 100.0 * attempt}
for _handler in CASES:
    _policy = POLICY | {"max_attempts": 3 if _handler in (is_retried, is_not_retried, describes_its_context) else 1}
    job(name=f"same_plain.{_handler.__name__}", **_policy)(_handler)
    job(name=f"same_async.{_handler.__name__}", **_policy)(_as_async(_handler))
    job(name=f"same_isolated.{_handler.__name__}", isolate=True, **_policy)(_handler)
