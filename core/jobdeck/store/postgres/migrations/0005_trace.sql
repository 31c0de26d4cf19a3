-- Schema 5: the trace that a job belongs to: a W3C `traceparent`, and after a space the `tracestate` if there is one.

ALTER TABLE jobdeck_jobs ADD COLUMN IF NOT EXISTS trace text;
