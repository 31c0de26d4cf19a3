"""Give each attempt a context (`contextvars`) of its own, so that jobs that share a thread do not see each other.

A context also holds the context of `decimal`, numpy's error state, and whatever else a library keeps in a context variable.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from sys import modules as _modules
from threading import get_ident
from typing import Any, TypeVar, TypeVarTuple

from ..tracing.carried import carried_trace
from .process_state import ProcessState

Ts = TypeVarTuple("Ts")
R = TypeVar("R")


class AttemptContexts:
    """Each attempt starts with what was set where this was created: by the modules of the program, as they were imported."""

    def __init__(self, *, own_process: bool = False) -> None:
        """Take over what is set now.

        Args:
            own_process: whether this process runs nothing but jobs, so that what they change for all of it is restored.
        """
        self._state = ProcessState() if own_process else None
        self._base = copy_context()
        self._base.run(carried_trace.set, None)  # a job without a trace belongs to none, whoever started the worker
        self._thread = get_ident()
        self._loop = _current_loop()
        decimal: Any = _modules.get("decimal")
        self._set_decimal: Any = getattr(decimal, "setcontext", None)
        # A context of `decimal` is changed in place, so one that is set already would be shared by all copies.
        found = [value for value in self._base.values() if decimal is not None and type(value) is decimal.Context]
        self._decimal = found[0].copy() if found else None

    def run(self, call: Callable[[*Ts], R], *args: *Ts) -> R:
        """Call the function in a new context and return its result."""
        context = self._base.copy()
        if self._decimal is not None:
            context.run(self._set_decimal, self._decimal.copy())
        state = self._state
        if state is not None:
            state.enter()
        try:
            return context.run(call, *args)
        finally:
            if state is not None:
                state.leave()
            events = _modules.get("asyncio.events")
            if events is not None and (policy := getattr(events, "_event_loop_policy", None)) is not None:
                self._restore_loop(policy)

    def restore_process(self) -> None:
        """Restore what jobs may have changed for the whole process since the last attempt ended."""
        if self._state is not None:
            self._state.restore()

    def _restore_loop(self, policy: Any) -> None:
        """Set the event loop of this thread again: the next job would be given the one that this job left, perhaps closed.

        asyncio keeps it in a thread-local of its policy, not in a context; its own functions may create one.
        """
        loop = self._loop if get_ident() == self._thread else None
        try:  # not `suppress`, which takes longer than the rest
            if (state := policy._local)._loop is not loop:
                state._loop, state._set_called = loop, loop is not None
        except Exception:  # the policy may be any object
            pass


def _current_loop() -> Any:
    policy = getattr(_modules.get("asyncio.events"), "_event_loop_policy", None)
    return getattr(getattr(policy, "_local", None), "_loop", None)
