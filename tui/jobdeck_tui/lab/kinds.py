"""The kinds that jobdeck's workers run in experiments. Every handler writes to the ledger when it starts and when it ends."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import apsw

from jobdeck import Registry, context, job

from . import pace
from .ledger import append


def work(ledger: str, seconds: float = 0.0) -> dict[str, Any]:
    """Work for a while."""
    now = context()
    pace.take_turn()
    append(ledger, "start", now.job_id, now.attempt)
    pace.sleep(seconds)
    append(ledger, "end", now.job_id, now.attempt)
    return {"attempt": now.attempt, "pid": os.getpid()}


def hold(ledger: str, until: str) -> dict[str, Any]:
    """In its first attempt, work until a file exists; later attempts finish at once."""
    now = context()
    pace.take_turn()
    append(ledger, "start", now.job_id, now.attempt)
    while now.attempt == 1 and not Path(until).exists():
        time.sleep(0.005)
    append(ledger, "end", now.job_id, now.attempt)
    return {"attempt": now.attempt, "pid": os.getpid()}


def poison(ledger: str) -> None:
    """Kill the worker, as a bug in a C library or the kernel's out-of-memory killer does."""
    now = context()
    pace.take_turn()
    append(ledger, "start", now.job_id, now.attempt)
    os.kill(os.getpid(), signal.SIGKILL)


def call(ledger: str, down: str) -> None:
    """Call a dependency, which is down while a file exists."""
    now = context()
    pace.take_turn()
    append(ledger, "start", now.job_id, now.attempt)
    if Path(down).exists():
        raise ConnectionError("the dependency is down")
    append(ledger, "end", now.job_id, now.attempt)


def call_fixed(ledger: str, down: str) -> None:
    """Call it, too: its kind is retried after a fixed delay."""
    call(ledger, down)


def fixed_delay(_attempt: int, _error: BaseException) -> float:
    """Return the delay of `call_fixed`."""
    return 1.0


def charge(ledger: str, provider: str, use_key: bool) -> None:
    """Charge a card at a provider; the first attempt dies after the effect and before its result is committed."""
    now = context()
    pace.take_turn()
    append(ledger, "start", now.job_id, now.attempt)
    with_key = use_key or Path(f"{provider}-key").exists()  # switched on by the viewer
    charge_card(provider, f"job-{now.job_id}" if with_key else None)
    append(ledger, "effect", now.job_id, now.attempt)
    if now.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    append(ledger, "end", now.job_id, now.attempt)


def create_charges(provider: str) -> None:
    """Create the provider's database."""
    connection = apsw.Connection(provider)
    connection.execute("CREATE TABLE charges (id INTEGER PRIMARY KEY, key TEXT UNIQUE)")
    connection.close()


def charge_card(provider: str, key: str | None) -> None:
    """Record a charge in the provider's own database; a key that it has seen before charges nothing."""
    connection = apsw.Connection(provider)
    try:
        connection.set_busy_timeout(5000)
        connection.execute("INSERT INTO charges (key) VALUES (?) ON CONFLICT DO NOTHING", (key,))
    finally:
        connection.close()


def register(registry: Registry) -> None:
    """Add the lab's kinds to a registry."""
    job(name="lab.work", registry=registry, max_attempts=10)(work)
    job(name="lab.hold", registry=registry, max_attempts=10)(hold)
    job(name="lab.poison", registry=registry, max_attempts=3)(poison)
    job(name="lab.call", registry=registry, max_attempts=50, backoff=(2.0, 8.0))(call)
    job(name="lab.call_fixed", registry=registry, max_attempts=50, backoff=fixed_delay)(call_fixed)
    job(name="lab.charge", registry=registry, max_attempts=5)(charge)


def lab_registry() -> Registry:
    """Return a registry with the lab's kinds, so that they do not mix with the user's."""
    registry = Registry()
    register(registry)
    return registry
