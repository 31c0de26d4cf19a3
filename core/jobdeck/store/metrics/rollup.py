"""Metrics age: their slots become wider, until the oldest are dropped. So they take bounded space."""

from __future__ import annotations

from ..counters import FINE

COARSER = ((FINE, 3600, 60), (60, 6 * 3600, 600), (600, 2 * 86400, 3600), (3600, 10 * 86400, 86400))
"""Slots of `width` older than `age` are folded into slots of `wider` (all in seconds)."""
METRICS_KEPT = 90 * 86400
"""Seconds: metrics older than this are dropped."""
