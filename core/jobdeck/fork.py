"""Makes a fork of the process safe: the child keeps nothing of the parent's connections, locks and threads.

After `os.fork()` (`multiprocessing`, a web server that loads the program before it forks) the child has copies of the parent's
open connections, but not its threads and not its file locks. Used in the child, a copy corrupts what the parent does, or waits
for ever for a lock that a thread of the parent held. So:

- objects that hold such state register here, and replace it in the child before anything else runs there (`after_fork`);
- a fork waits up to `PATIENCE` seconds until no other thread is inside a transaction (`enter`, `leave`), because the child
  could not clean up a library that another thread is just using. It does not wait for threads that wait for a lock themselves
  (`pause`, `resume`).

`subprocess` does not fork in this sense: the new program inherits nothing.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Protocol
from weakref import WeakSet, WeakValueDictionary

from .clock import time
from .logs import get_logger

logger = get_logger("jobdeck")

PATIENCE = 5.0
"""Seconds that a fork waits for the transactions of other threads."""

get_ident = threading.get_ident


class Forkable(Protocol):
    """An object with state that a child process must not use."""

    def after_fork(self) -> None:
        """Replace that state, in the child. Other threads do not exist there."""
        ...


_objects: WeakSet[Any] = WeakSet()
_kept: list[Any] = []
_held: WeakValueDictionary[int, Any] = WeakValueDictionary()
_held_now: list[Any] = []
"""The held objects while this process forks; in the child, for ever."""
_inside: dict[int, int] = {}
"""The number of blocks that each thread is inside of."""
_paused: set[int] = set()
_forking: int | None = None
"""The thread that forks."""
_reopened = threading.Event()
_turn = threading.RLock()


def register(forkable: Forkable) -> None:
    """Call `forkable.after_fork` in each child process, as long as the object exists."""
    _objects.add(forkable)


def keep(*things: object) -> None:
    """Keep the parent's objects for ever, in the child: their destructors would act on what the parent still uses."""
    _kept.extend(things)


def hold(thing: object) -> None:
    """Keep the object for ever in each child process, as long as it exists here.

    The interpreter destroys the state of all other threads in the child, before anything else runs there. The destructor of
    an SQLite connection among it closes that, and may wait for ever for a lock that another thread held at the fork.
    """
    _held[id(thing)] = thing


def enter() -> None:
    """Start something that a fork must not interrupt; wait for the end of a fork that has begun."""
    me = get_ident()
    if me in _inside:
        _inside[me] += 1
        return
    _inside[me] = 1
    while _forking is not None and _forking != me:
        del _inside[me]
        _reopened.wait(0.1)
        _inside[me] = 1


def leave() -> None:
    """End what `enter` started."""
    me = get_ident()
    depth = _inside.pop(me, 1)
    if depth > 1:
        _inside[me] = depth - 1


def pause() -> None:
    """Allow forks while this thread waits, inside a block."""
    _paused.add(get_ident())


def resume() -> None:
    """Stop allowing forks; wait for the end of one that has begun."""
    me = get_ident()
    _paused.discard(me)
    while _forking is not None and _forking != me:
        _paused.add(me)
        _reopened.wait(0.1)
        _paused.discard(me)


def _before() -> None:
    global _forking
    _turn.acquire()
    me = get_ident()
    _reopened.clear()
    _forking = me
    until = time.monotonic() + PATIENCE
    while any(each != me and each not in _paused for each in list(_inside)):
        if time.monotonic() > until:
            logger.warning("The process is forked while another thread is inside a transaction of a queue")
            break
        time.sleep(0.0002)
    _held_now[:] = [reference() for reference in _held.valuerefs()]


def _in_parent() -> None:
    global _forking
    _held_now.clear()
    _forking = None
    _reopened.set()
    _turn.release()


def _in_child() -> None:
    global _forking, _reopened, _turn
    me = get_ident()
    _forking, _reopened, _turn = None, threading.Event(), threading.RLock()
    depth = _inside.get(me)
    _inside.clear()
    _paused.clear()
    _kept.extend(_held_now)
    _held_now.clear()
    if depth is not None:
        _inside[me] = depth
    for each in list(_objects):
        try:
            each.after_fork()
        except Exception:  # one must not leave the others as they were
            logger.exception("A part of jobdeck could not be prepared for a forked process")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
