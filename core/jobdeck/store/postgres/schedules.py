"""What the PostgreSQL store knows of the past of a schedule."""

from __future__ import annotations

from ..operations.schedules import PAST_COLUMNS

# Its jobs alone are read, through the index `jobdeck_by_schedule`, and put in order: they are few beside all jobs, which a
# walk from the newest id down would read until it had found enough of them.
PAST = f"""
WITH its AS MATERIALIZED (
  SELECT {PAST_COLUMNS} FROM jobdeck_jobs
   WHERE strpos(tags, '"schedule:') > 0 AND substr(tags, strpos(tags, '"schedule:')) = ?)
SELECT * FROM its ORDER BY id DESC LIMIT ?
"""
