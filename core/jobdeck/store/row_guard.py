"""Lets a store's methods meet a damaged row: it is repaired, and the method runs again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, TypeVar

from ..clock import time
from ..logs import get_logger
from ..model.errors import JobdeckError, RowDamaged, RowRefused, StoreError, StoreFailed

logger = get_logger("jobdeck.maintenance")

T = TypeVar("T")

_SUSPECT = (RowRefused, StoreFailed)
"""Errors of a database whose statement meets a value of another type than the schema declares."""
_STEPWISE = ("undo", "redo")
"""Methods of several transactions, the first of which decides what is done: they are not called again."""
_UNGUARDED = ("enqueue_in",)
"""Methods in a transaction of the caller's own, which a repair would wait for."""
_READS = 10
"""The number of tries to read a database that other processes keep changing."""
_PAUSE = 60.0
"""Seconds without another search after one that found nothing: it reads every row."""


class ChangedWhileReading(StoreFailed):
    """Another process changed a database that is read without locks; what was read may not fit together. Read it again."""

    def __init__(self, where: str) -> None:
        super().__init__(where, "it was changed while it was read; try again")


def read_again_if_changed(read: Callable[[], T]) -> T:
    """Return what `read` returns, which is called again while others change the database."""
    for n in range(_READS):
        try:
            return read()
        except ChangedWhileReading:
            time.sleep(0.001 * 2**n)
    return read()


class RowGuard:
    """Repairs damaged rows when a method of a store's component fails because of one.

    What else a method raises is raised, too: a bug stays one, because the search finds no damaged row.
    """

    def __init__(self, repair: Callable[[], Sequence[object]]) -> None:
        """Create the guard.

        Args:
            repair: repairs all damaged rows, and returns them.
        """
        self._repair = repair
        self._inside = threading.local()
        self._search_again_at = 0.0

    def protect(self, component: T, *, writes: bool = False) -> T:
        """Guard the public methods of a component, and return it.

        Args:
            component: the component.
            writes: whether its methods may have had an effect when they fail with an exception of Python's, so that they are
                not called again.
        """
        for method in dir(type(component)):
            call = None if method.startswith("_") else getattr(component, method)
            if callable(call) and not isinstance(call, type) and method not in _UNGUARDED:
                setattr(component, method, self._guarded(call, named_only=writes))
        return component

    def _guarded(self, call: Callable[..., Any], *, named_only: bool) -> Callable[..., Any]:
        inside = self._inside

        @wraps(call)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if getattr(inside, "call", False):
                return call(*args, **kwargs)
            inside.call = True
            try:
                return self._run(lambda: call(*args, **kwargs), call.__name__, named_only=named_only)
            finally:
                inside.call = False

        return guarded

    def _run(self, call: Callable[[], T], name: str, *, named_only: bool) -> T:
        """Call the method of this name, and once more if it met damaged rows that were repaired."""
        try:
            return call()
        except Exception as error:
            if not self._is_suspect(error, named_only=named_only) or not self._repaired(error) or name in _STEPWISE:
                raise
            return call()

    @staticmethod
    def _is_suspect(error: Exception, *, named_only: bool) -> bool:
        if isinstance(error, RowDamaged):
            return True
        if named_only:
            return False
        return type(error) in _SUSPECT if isinstance(error, JobdeckError) else not isinstance(error, OSError)

    def _repaired(self, error: Exception) -> bool:
        now = time.monotonic()
        if now < self._search_again_at:
            return False
        from traceback import clear_frames  # imported late: rows are seldom damaged

        chain: BaseException | None = error
        while chain is not None:  # a statement that is still being read keeps its tables from being changed
            clear_frames(chain.__traceback__)
            chain = chain.__cause__ or chain.__context__
        try:
            found = self._repair()
        except StoreError as problem:
            if isinstance(error, RowDamaged):  # anything else may be the outage itself, which its caller reports
                logger.warning("Damaged rows could not be repaired: %s", problem)
            self._search_again_at = now + _PAUSE
            if isinstance(error, JobdeckError):
                return False
            raise problem from error
        if not found:
            self._search_again_at = time.monotonic() + _PAUSE
        for row in found:
            logger.warning("Repaired a damaged row: %s", row)
        return bool(found)


class ReadingGuard(RowGuard):
    """Guards a store that is open for reading only: it reads damaged rows as a repair would leave them, and repairs nothing."""

    def __init__(self, repaired: Callable[[], AbstractContextManager[bool]]) -> None:
        """Create the guard.

        Args:
            repaired: opens a block in which damaged rows are read as if they were repaired; gives whether there are any.
        """
        super().__init__(tuple)
        self._repaired_view = repaired

    def _run(self, call: Callable[[], T], name: str, *, named_only: bool) -> T:
        """Call the method; if it meets damaged rows, call it again where they are read as if they were repaired."""
        try:
            return read_again_if_changed(call)
        except ChangedWhileReading:
            raise
        except Exception as error:
            if not self._is_suspect(error, named_only=named_only) or time.monotonic() < self._search_again_at:
                raise
            with self._repaired_view() as found:
                if found:
                    return read_again_if_changed(call)
            self._search_again_at = time.monotonic() + _PAUSE
            raise
