-- Schema 3: an id is still never used again, but no longer by AUTOINCREMENT, which writes one page more with each enqueue.
-- Ids count up from the highest there is, and the highest that there ever was is noted when its job is removed.
CREATE TABLE jobdeck_ids (last INTEGER NOT NULL) STRICT;
INSERT INTO jobdeck_ids SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'jobdeck_jobs'), 0);
CREATE TRIGGER jobdeck_keep_ids AFTER DELETE ON jobdeck_jobs
 WHEN old.id > (SELECT last FROM jobdeck_ids) AND NOT EXISTS (SELECT 1 FROM jobdeck_jobs WHERE id > old.id)
BEGIN
    UPDATE jobdeck_ids SET last = old.id;
END;
DELETE FROM sqlite_sequence WHERE name = 'jobdeck_jobs';
-- The word changes nothing of what lies in the file, and so the table need not be written anew
-- (https://sqlite.org/lang_altertable.html, section 7).
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'INTEGER PRIMARY KEY AUTOINCREMENT', 'INTEGER PRIMARY KEY')
 WHERE type = 'table' AND name = 'jobdeck_jobs';
PRAGMA writable_schema = RESET;
