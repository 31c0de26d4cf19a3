"""Kinds that change what a context holds, and report what they found. Child processes import this file."""

from __future__ import annotations

import asyncio
import decimal
from contextvars import ContextVar
from typing import Any

from jobdeck import context, job

TENANT: ContextVar[str] = ContextVar("tenant")
TENANT.set("set by the module")
UNSET: ContextVar[str] = ContextVar("unset", default="nothing")
decimal.getcontext().prec = 9


def look_and_change() -> list[Any]:
    found = [TENANT.get(), UNSET.get(), decimal.getcontext().prec, decimal.getcontext().traps[decimal.Inexact]]
    mine = f"job {context().job_id}"
    TENANT.set(mine)
    UNSET.set(mine)
    decimal.getcontext().prec = 3
    decimal.getcontext().traps[decimal.Inexact] = True
    return found


@job(name="context.thread")
def in_thread() -> list[Any]:
    return look_and_change()


@job(name="context.isolated", isolate=True)
def isolated() -> list[Any]:
    return look_and_change()


@job(name="context.async")
async def in_loop() -> list[Any]:
    found = look_and_change()
    await asyncio.sleep(0.001)
    assert TENANT.get() == UNSET.get() == f"job {context().job_id}"
    return found


@job(name="context.loop")
def leaves_a_loop() -> str:
    """Leave a closed event loop as the current one, after using it."""
    try:
        closed = asyncio.get_event_loop().is_closed()
    except RuntimeError:
        closed = False
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    return "closed" if closed else "fresh"
