-- Schema 2: why a job ended, uniqueness, expiry, dependencies, batches, limits, periodic jobs, the journal of people's acts.

-- The table of jobs, anew: SQLite cannot change the CHECKs of an old one. One CASE for each invariant, the states that a
-- busy queue writes most in front: the checks are paid for twice by each job that runs.
ALTER TABLE jobdeck_jobs RENAME TO jobdeck_jobs_1;
CREATE TABLE jobdeck_jobs (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,  -- AUTOINCREMENT: an id is never used again
    kind         TEXT NOT NULL,
    queue        TEXT NOT NULL,
    state        TEXT NOT NULL,
    priority     INTEGER NOT NULL,
    args         TEXT NOT NULL,
    attempt      INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER NOT NULL,
    timeout      REAL,
    created_at   REAL NOT NULL,
    scheduled_at REAL NOT NULL,
    started_at   REAL,
    finished_at  REAL,
    worker       TEXT,
    lease        INTEGER,
    lease_until  REAL,
    cancelling   INTEGER NOT NULL DEFAULT 0,
    unique_key   TEXT,
    tags         TEXT NOT NULL DEFAULT '[]',
    progress     REAL,
    result       TEXT,
    error        TEXT,
    reason       TEXT,                         -- why a failed or cancelled job ended (see jobs.Reason)
    crashes      INTEGER NOT NULL DEFAULT 0,   -- how often a crash has interrupted it
    expires_at   REAL,                         -- not worth starting later
    batch        INTEGER,
    backoff      TEXT,                         -- back-off of this job alone, as JSON; its kind's when NULL
    -- Whether the unique key stays taken when the job is final: a set of 1 completed, 2 failed, 4 cancelled. While it
    -- is not final the key is always taken, so that no move of the engine's can run into another job's key.
    unique_final INTEGER NOT NULL DEFAULT 0,
    -- What becomes of it when a job that it waits for fails, is cancelled or is removed.
    if_parent_fails TEXT NOT NULL DEFAULT 'cancel' CHECK (if_parent_fails IN ('cancel', 'run', 'wait')),
    unique_taken TEXT GENERATED ALWAYS AS (CASE WHEN unique_key IS NULL THEN NULL
        WHEN finished_at IS NULL
          OR unique_final & CASE state WHEN 'completed' THEN 1 WHEN 'failed' THEN 2 ELSE 4 END THEN unique_key END) VIRTUAL,
    CHECK (CASE state
        WHEN 'running' THEN lease IS NOT NULL AND lease_until IS NOT NULL AND finished_at IS NULL AND reason IS NULL
            AND worker IS NOT NULL AND started_at IS NOT NULL AND attempt BETWEEN 1 AND max_attempts
        WHEN 'completed' THEN finished_at IS NOT NULL AND lease IS NULL AND lease_until IS NULL AND reason IS NULL
            AND cancelling = 0 AND attempt BETWEEN 1 AND max_attempts
        ELSE lease IS NULL AND lease_until IS NULL AND cancelling = 0 AND attempt >= 0
            AND CASE state
                WHEN 'failed' THEN finished_at IS NOT NULL AND attempt <= max_attempts
                WHEN 'cancelled' THEN finished_at IS NOT NULL AND attempt <= max_attempts
                ELSE finished_at IS NULL AND reason IS NULL AND attempt < max_attempts
                    AND state IN ('scheduled', 'waiting', 'pending', 'retrying') END
        END)
) STRICT;
INSERT INTO jobdeck_jobs (id, kind, queue, state, priority, args, attempt, max_attempts, timeout, created_at, scheduled_at,
                          started_at, finished_at, worker, lease, lease_until, cancelling, unique_key, tags, progress,
                          result, error)
SELECT id, kind, queue, state, priority, args, attempt, max_attempts, timeout, created_at, scheduled_at, started_at,
       finished_at, worker, lease, lease_until, cancelling, unique_key, tags, progress, result, error FROM jobdeck_jobs_1;
-- The highest id that was ever used may have been deleted since.
DELETE FROM sqlite_sequence WHERE name = 'jobdeck_jobs';
UPDATE sqlite_sequence SET name = 'jobdeck_jobs' WHERE name = 'jobdeck_jobs_1';
DROP TABLE jobdeck_jobs_1;

-- What a claim reads: ready rows only, one lane for each queue and kind, in the order of the claim.
CREATE INDEX jobdeck_ready ON jobdeck_jobs (queue, kind, priority DESC, id) WHERE state = 'pending';
-- What staging reads.
CREATE INDEX jobdeck_due ON jobdeck_jobs (scheduled_at) WHERE state IN ('scheduled', 'retrying');
-- What pruning reads: history is kept by age and by count for each final state.
CREATE INDEX jobdeck_final ON jobdeck_jobs (state, finished_at) WHERE finished_at IS NOT NULL;
-- What people look through. An index ends with the id by itself: naming it would store it twice.
CREATE INDEX jobdeck_by_state ON jobdeck_jobs (state);
CREATE INDEX jobdeck_by_queue ON jobdeck_jobs (queue);
CREATE INDEX jobdeck_by_kind ON jobdeck_jobs (kind);
CREATE INDEX jobdeck_by_batch ON jobdeck_jobs (batch, state) WHERE batch IS NOT NULL;
CREATE UNIQUE INDEX jobdeck_unique ON jobdeck_jobs (unique_taken) WHERE unique_taken IS NOT NULL;
CREATE INDEX jobdeck_expiring ON jobdeck_jobs (expires_at) WHERE expires_at IS NOT NULL AND finished_at IS NULL;

CREATE TABLE jobdeck_batches (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL,
    total      INTEGER NOT NULL,
    created_at REAL NOT NULL
) STRICT;

-- A waiting job and the jobs that it still waits for. A row goes when its parent is final; the job is staged with the last.
CREATE TABLE jobdeck_waits (
    parent INTEGER NOT NULL,
    child  INTEGER NOT NULL,
    PRIMARY KEY (parent, child)
) STRICT, WITHOUT ROWID;
CREATE INDEX jobdeck_waits_of ON jobdeck_waits (child);
-- Which job came after which, for people to look at; kept as long as the child.
CREATE TABLE jobdeck_after (
    child  INTEGER NOT NULL,
    parent INTEGER NOT NULL,
    PRIMARY KEY (child, parent)
) STRICT, WITHOUT ROWID;
CREATE INDEX jobdeck_after_of ON jobdeck_after (parent);

-- Limits of a queue across all processes: running at once, and starts in any `rate_period` seconds.
ALTER TABLE jobdeck_queues ADD COLUMN max_running INTEGER CHECK (max_running >= 1);
ALTER TABLE jobdeck_queues ADD COLUMN rate INTEGER CHECK (rate >= 1);
ALTER TABLE jobdeck_queues ADD COLUMN rate_period REAL CHECK ((rate IS NULL) = (rate_period IS NULL));
-- The starts of the last period of queues that have a rate, on the machine's monotonic clock.
CREATE TABLE jobdeck_starts (
    queue TEXT NOT NULL,
    at    REAL NOT NULL,
    n     INTEGER NOT NULL,
    PRIMARY KEY (queue, at)
) STRICT, WITHOUT ROWID;

ALTER TABLE jobdeck_workers ADD COLUMN kinds TEXT NOT NULL DEFAULT '[]';
ALTER TABLE jobdeck_workers ADD COLUMN processes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobdeck_workers ADD COLUMN stuck INTEGER NOT NULL DEFAULT 0;

-- Periodic jobs. `next_at` is the tick that comes next; whoever moves it on enqueues, in the same transaction.
CREATE TABLE jobdeck_schedules (
    name         TEXT PRIMARY KEY,
    cron         TEXT NOT NULL,
    timezone     TEXT NOT NULL,
    kind         TEXT NOT NULL,
    args         TEXT NOT NULL,
    queue        TEXT NOT NULL,
    priority     INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    timeout      REAL,
    tags         TEXT NOT NULL DEFAULT '[]',
    created_at   REAL NOT NULL,
    paused_at    REAL,
    next_at      REAL NOT NULL,
    last_at      REAL,
    last_job     INTEGER,
    error        TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX jobdeck_ticks ON jobdeck_schedules (next_at) WHERE paused_at IS NULL;

-- What people did. `undone` of the `n` jobs are undone now; `undone_no` orders what can be redone, the newest undo first.
CREATE TABLE jobdeck_journal (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    at        REAL NOT NULL,
    who       TEXT NOT NULL,
    act       TEXT NOT NULL,
    n         INTEGER NOT NULL,
    children  INTEGER NOT NULL,  -- jobs among them that were cancelled for a parent's sake
    kept      INTEGER NOT NULL,  -- jobs of which there is what it takes to undo the act
    bytes     INTEGER NOT NULL,  -- of its parts
    told      TEXT NOT NULL,
    undone    INTEGER NOT NULL DEFAULT 0,
    undone_at REAL,
    undone_by TEXT,
    undone_no INTEGER
) STRICT;
CREATE INDEX jobdeck_redo ON jobdeck_journal (undone_no) WHERE undone_no IS NOT NULL;
-- What it takes to undo an act, up to a thousand jobs a row (JSON, deflated if long; see people/deeds.py and deletion.py);
-- once a part is undone, what it takes to do it again.
CREATE TABLE jobdeck_journal_parts (
    act    INTEGER NOT NULL,
    part   INTEGER NOT NULL,
    at     REAL NOT NULL,
    undone INTEGER NOT NULL DEFAULT 0 CHECK (undone IN (0, 1)),
    before BLOB NOT NULL,
    PRIMARY KEY (act, part)
) STRICT;

-- Samples, once a minute, of how deep a queue was and how long its oldest ready job had waited (seconds). The queue ''
-- stands for all of them together; its row says that a sample was taken. Old samples become the peak of their hour.
CREATE TABLE jobdeck_depths (
    slot    INTEGER NOT NULL,
    queue   TEXT NOT NULL,
    pending INTEGER NOT NULL,
    oldest  REAL NOT NULL,
    PRIMARY KEY (slot, queue)
) STRICT, WITHOUT ROWID;

-- The newest failures, however many attempts went well.
CREATE INDEX jobdeck_failures ON jobdeck_attempts (finished_at) WHERE outcome IN ('failed', 'timed out', 'crashed');
