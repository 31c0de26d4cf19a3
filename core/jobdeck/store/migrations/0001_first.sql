-- The queue, as of schema 1. Times are seconds since 1970 UTC; lease_until is on the machine's monotonic clock.

CREATE TABLE jobdeck_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE jobdeck_jobs (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,  -- AUTOINCREMENT: an id is never used again
    kind         TEXT NOT NULL,
    queue        TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('scheduled', 'waiting', 'pending', 'running', 'retrying',
                                                'completed', 'failed', 'cancelled')),
    priority     INTEGER NOT NULL,
    args         TEXT NOT NULL,
    attempt      INTEGER NOT NULL DEFAULT 0 CHECK (attempt BETWEEN 0 AND max_attempts),
    max_attempts INTEGER NOT NULL CHECK (max_attempts >= 1),
    timeout      REAL,
    created_at   REAL NOT NULL,
    scheduled_at REAL NOT NULL,
    started_at   REAL,
    finished_at  REAL,
    worker       TEXT,
    lease        INTEGER,
    lease_until  REAL,
    cancelling   INTEGER NOT NULL DEFAULT 0 CHECK (cancelling IN (0, 1)),
    unique_key   TEXT,
    tags         TEXT NOT NULL DEFAULT '[]',
    progress     REAL,
    result       TEXT,
    error        TEXT,
    CHECK ((finished_at IS NOT NULL) = (state IN ('completed', 'failed', 'cancelled'))),
    CHECK ((lease IS NOT NULL) = (state = 'running') AND (lease_until IS NOT NULL) = (state = 'running')),
    CHECK (state <> 'running' OR (worker IS NOT NULL AND started_at IS NOT NULL)),
    CHECK (cancelling = 0 OR state = 'running'),
    CHECK (attempt < max_attempts OR state NOT IN ('scheduled', 'waiting', 'pending', 'retrying'))
) STRICT;

-- What a claim reads: ready rows only, one lane for each queue and kind, in the order of the claim.
CREATE INDEX jobdeck_ready ON jobdeck_jobs (queue, kind, priority DESC, id) WHERE state = 'pending';
-- What staging reads.
CREATE INDEX jobdeck_due ON jobdeck_jobs (scheduled_at) WHERE state IN ('scheduled', 'retrying');
-- What pruning reads.
CREATE INDEX jobdeck_final ON jobdeck_jobs (finished_at) WHERE finished_at IS NOT NULL;
-- What people look through.
CREATE INDEX jobdeck_by_state ON jobdeck_jobs (state, id);
CREATE INDEX jobdeck_by_queue ON jobdeck_jobs (queue, id);

-- Depth, kept with each transition: counting a million rows takes 100 ms and more.
CREATE TABLE jobdeck_counts (
    queue TEXT NOT NULL,
    kind  TEXT NOT NULL,
    state TEXT NOT NULL,
    n     INTEGER NOT NULL,
    PRIMARY KEY (queue, kind, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobdeck_queues (name TEXT PRIMARY KEY, paused_at REAL) STRICT, WITHOUT ROWID;

-- One row for each run that has ended; the running one is told by the job itself. A lease names a run.
CREATE TABLE jobdeck_attempts (
    job_id      INTEGER NOT NULL,
    lease       INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    worker      TEXT NOT NULL,
    started_at  REAL NOT NULL,
    finished_at REAL NOT NULL,
    outcome     TEXT NOT NULL,
    error_type  TEXT,
    message     TEXT,
    traceback   TEXT,
    late_at     REAL,
    PRIMARY KEY (job_id, lease)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobdeck_logs (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id  INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at      REAL NOT NULL,
    level   TEXT NOT NULL,
    text    TEXT NOT NULL
) STRICT;
CREATE INDEX jobdeck_logs_of ON jobdeck_logs (job_id, id);

CREATE TABLE jobdeck_workers (
    id           TEXT PRIMARY KEY,
    host         TEXT NOT NULL,
    pid          INTEGER NOT NULL,
    threads      INTEGER NOT NULL,
    queues       TEXT NOT NULL,
    started_at   REAL NOT NULL,
    heartbeat_at REAL NOT NULL,
    beat         REAL NOT NULL,  -- heartbeat_at on the monotonic clock
    draining     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Counts and histograms by slot of `width` seconds. For `run` and `wait`, `bucket` is a step of a logarithmic
-- scale of durations (see store/histogram.py); otherwise it is 0.
CREATE TABLE jobdeck_metrics (
    width   INTEGER NOT NULL,
    slot    INTEGER NOT NULL,
    queue   TEXT NOT NULL,
    kind    TEXT NOT NULL,
    measure TEXT NOT NULL,
    bucket  INTEGER NOT NULL,
    n       INTEGER NOT NULL,
    PRIMARY KEY (width, slot, queue, kind, measure, bucket)
) STRICT, WITHOUT ROWID;
