"""Find libraries that have replaced threads by green ones in this process, where a worker would wait for ever."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any


def replaced_by() -> str | None:
    """Return the name of the library that has replaced threads in this process, or `None`. Imports nothing."""
    for name, module, call, part in _LIBRARIES:
        found: Any = sys.modules.get(module)
        if found is not None:
            with suppress(Exception):  # half imported, or of a version without this function
                if getattr(found, call)(part):
                    return name
    return None


_LIBRARIES = (
    ("gevent", "gevent.monkey", "is_module_patched", "threading"),
    ("eventlet", "eventlet.patcher", "is_monkey_patched", "thread"),
)
