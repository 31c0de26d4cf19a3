"""Giving memory back that is needed for a moment only."""

from __future__ import annotations

import contextlib

_M_MMAP_THRESHOLD = -3
"""From <malloc.h> of the GNU C library."""
LARGE = 1 << 19
"""Bytes from which on a piece of memory is one of its own, and goes back to the system when it is freed."""


def give_back_large_pieces() -> None:
    """Have the allocator give large pieces back as soon as they are free; where there is no such allocator, do nothing.

    The list of a million ids is read as one text of 8 MB. The GNU allocator raises its own limit of what is large with each
    such piece that is freed, and from then on keeps them: some 20 MB that nobody uses (mallopt(3), M_MMAP_THRESHOLD).
    """
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE)
