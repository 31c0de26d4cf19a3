"""Return memory to the system that is needed only briefly."""

from __future__ import annotations

import contextlib

_M_MMAP_THRESHOLD = -3
"""From <malloc.h> of the GNU C library."""
LARGE = 1 << 19
"""Blocks of at least this many bytes are mapped separately and returned to the system when they are freed."""


def return_large_blocks() -> None:
    """Make the GNU allocator return large blocks to the system when they are freed; do nothing with other allocators.

    The list of a million ids is read as one text of 8 MB. By default the allocator raises its threshold with each such block
    that is freed and keeps later ones: about 20 MB of unused memory (mallopt(3), M_MMAP_THRESHOLD).
    """
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE)
