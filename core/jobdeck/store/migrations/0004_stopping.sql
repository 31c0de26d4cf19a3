-- Schema 4: which code each worker has asked to stop, and since when, as JSON: [[job id, kind, since, why], …].

ALTER TABLE jobdeck_workers ADD COLUMN stopping TEXT NOT NULL DEFAULT '[]';
