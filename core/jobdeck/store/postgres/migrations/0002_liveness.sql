-- Schema 2: the clock that each worker measures its leases on (here the server's, for all), and which of its threads make no
-- progress, and since when, as JSON: [[thread, since, error], …].

ALTER TABLE jobdeck_workers ADD COLUMN IF NOT EXISTS boot text NOT NULL DEFAULT '';
ALTER TABLE jobdeck_workers ADD COLUMN IF NOT EXISTS stalled text NOT NULL DEFAULT '[]';
