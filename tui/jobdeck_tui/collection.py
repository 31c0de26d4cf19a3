"""When cyclic garbage is collected: hardly in a command that ends soon, regularly in one that stays.

A command makes 30,000 objects when it starts, the cockpit 80,000, and nearly all live until it ends. To look for garbage
among them took a tenth of the time of `jobdeck enqueue`.
"""

from __future__ import annotations

import gc

_LATE = 100_000
_REGULAR = 20_000


def defer_collection() -> None:
    """Collect only once 100,000 further objects live: a process that starts makes fewer."""
    gc.set_threshold(_LATE, 20, 20)


def collect_regularly() -> None:
    """End what `defer_collection` began: collect each 20,000 objects, and never look at those of the start again."""
    if _is_deferred():
        gc.freeze()
        gc.set_threshold(_REGULAR, 20, 20)


def skip_last_collection() -> None:
    """Leave the objects of a short command to the end of its process, which otherwise looks for garbage twice more."""
    if _is_deferred():
        gc.freeze()


def _is_deferred() -> bool:
    """Return whether this process is that of a command that starts; a program that runs commands decides by itself."""
    return gc.get_threshold()[0] == _LATE
