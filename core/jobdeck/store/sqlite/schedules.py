"""What the SQLite store knows of the past of a schedule."""

from __future__ import annotations

from ..operations.schedules import PAST_COLUMNS
from .dialect import OF_SCHEDULE, SCHEDULED

PAST = f"""
SELECT {PAST_COLUMNS} FROM jobdeck_jobs INDEXED BY jobdeck_by_schedule
 WHERE {SCHEDULED} AND {OF_SCHEDULE} = ? ORDER BY id DESC LIMIT ?
"""
