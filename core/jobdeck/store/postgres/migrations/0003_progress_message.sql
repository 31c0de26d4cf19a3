-- Schema 3: what a running job says about its progress. It counts only while `progress` is not NULL, so that a claim and a retry
-- need to reset that column alone.

ALTER TABLE jobdeck_jobs ADD COLUMN IF NOT EXISTS progress_message text;
