-- Schema 6: the clock that each worker measures its leases on, and which of its threads make no progress, and since when, as
-- JSON: [[thread, since, error], …].

ALTER TABLE jobdeck_workers ADD COLUMN boot TEXT NOT NULL DEFAULT '';
ALTER TABLE jobdeck_workers ADD COLUMN stalled TEXT NOT NULL DEFAULT '[]';
UPDATE jobdeck_workers SET boot = coalesce((SELECT value FROM jobdeck_meta WHERE key = 'boot'), '');
