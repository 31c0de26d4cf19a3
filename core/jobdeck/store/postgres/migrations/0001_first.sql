-- The queue, as of schema 1. Times are seconds since 1970 UTC, by the server's clock. Texts compare byte by byte ("C"), as
-- everywhere in jobdeck; they hold no NUL (see texts.py).

CREATE TABLE jobdeck_meta (key text COLLATE "C" PRIMARY KEY, value text NOT NULL);

-- Only ever used through jobdeck_take_ids, but for a restore.
CREATE SEQUENCE jobdeck_job_ids;

-- The first of n ids in a row. A sequence alone gives ids in a row to one caller at a time only. The lock is let go at once,
-- not with the transaction: who enqueues waits for nobody's commit.
CREATE FUNCTION jobdeck_take_ids(n bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    first bigint;
    door constant bigint := (x'6a6f6264'::bigint << 32) + 'jobdeck_job_ids'::regclass::oid::bigint;
BEGIN
    PERFORM pg_advisory_lock(door);
    BEGIN
        first := nextval('jobdeck_job_ids');
        IF n > 1 THEN
            PERFORM setval('jobdeck_job_ids', first + n - 1);
        END IF;
    EXCEPTION WHEN query_canceled OR others THEN
        PERFORM pg_advisory_unlock(door);
        RAISE;
    END;
    PERFORM pg_advisory_unlock(door);
    RETURN first;
END $$;

-- A list of ids that was bound as JSON. SQLite says json_each for it.
CREATE FUNCTION jobdeck_each(ids text) RETURNS TABLE (value bigint) LANGUAGE sql IMMUTABLE STRICT ROWS 100
    AS $$ SELECT each::bigint FROM json_array_elements_text(ids::json) AS each $$;

-- Texts in JSON, with what no text of PostgreSQL can hold spelled as in texts.py.
CREATE FUNCTION jobdeck_spelled(told text) RETURNS text LANGUAGE sql IMMUTABLE STRICT
    AS $$ SELECT regexp_replace(regexp_replace(told, '(?<!\\)((?:\\\\)*)\\u0001', '\1\\u00011', 'g'),
                                '(?<!\\)((?:\\\\)*)\\u0000', '\1\\u00010', 'g') $$;

-- One of a job's arguments, as text: a text as it is, all else as it is written in JSON, without blanks. Digits count into a
-- list, other steps are names. NULL where there is none, or the arguments cannot be read.
CREATE FUNCTION jobdeck_argument(args text, path text[]) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT COST 1000 AS $$
DECLARE
    found json;
    step text;
BEGIN
    IF strpos(args, '\u000') > 0 THEN
        args := jobdeck_spelled(args);
    END IF;
    found := args;
    FOREACH step IN ARRAY path LOOP
        found := CASE WHEN step ~ '^[0-9]+$' THEN found -> step::integer ELSE found -> step END;
    END LOOP;
    CASE json_typeof(found)
        WHEN 'string' THEN RETURN found #>> '{}';
        WHEN 'object', 'array' THEN RETURN regexp_replace(found::text, '("(?:[^"\\]|\\.)*")|\s+', '\1', 'g');
        ELSE RETURN found;
    END CASE;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN NULL;
END $$;

-- A job's tags; NULL where they cannot be read.
CREATE FUNCTION jobdeck_tags(tags text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE STRICT COST 1000 AS $$
BEGIN
    IF strpos(tags, '\u000') > 0 THEN
        tags := jobdeck_spelled(tags);
    END IF;
    RETURN ARRAY(SELECT json_array_elements_text(tags::json));
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN NULL;
END $$;

-- Where a traceback was raised, as metrics.place_of tells it.
CREATE FUNCTION jobdeck_place(traceback text) RETURNS text LANGUAGE sql IMMUTABLE COST 1000 AS $$
    SELECT coalesce((SELECT rtrim(concat(frame[1], ':', frame[2], ' ', frame[3]))
                       FROM regexp_matches(right(traceback, 20000), '^[ |]*File "(.+)", line ([0-9]+)(?:, in (.+))?$', 'gn')
                       WITH ORDINALITY AS found (frame, place)
                      ORDER BY place DESC LIMIT 1), '')
$$;

CREATE TABLE jobdeck_jobs (
    id           bigint PRIMARY KEY,                     -- never used again
    kind         text COLLATE "C" NOT NULL,
    queue        text COLLATE "C" NOT NULL,
    state        text COLLATE "C" NOT NULL,
    priority     integer NOT NULL,
    args         text COLLATE "C" NOT NULL,              -- as it was handed in, to the last blank
    attempt      integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL,
    timeout      double precision,
    created_at   double precision NOT NULL,
    scheduled_at double precision NOT NULL,
    started_at   double precision,
    finished_at  double precision,
    worker       text COLLATE "C",
    lease        bigint,
    lease_until  double precision,
    cancelling   boolean NOT NULL DEFAULT false,
    unique_key   text COLLATE "C",
    tags         text COLLATE "C" NOT NULL DEFAULT '[]',
    progress     double precision,
    result       text COLLATE "C",
    error        text COLLATE "C",
    reason       text COLLATE "C",                       -- why a failed or cancelled job ended (see jobs.Reason)
    crashes      integer NOT NULL DEFAULT 0,             -- how often a crash has interrupted it
    expires_at   double precision,                       -- not worth starting later
    batch        bigint,
    backoff      text COLLATE "C",                       -- back-off of this job alone, as JSON; its kind's when NULL
    -- Whether the unique key stays taken when the job is final: a set of 1 completed, 2 failed, 4 cancelled. While it
    -- is not final the key is always taken, so that no move of the engine's can run into another job's key.
    unique_final integer NOT NULL DEFAULT 0,
    -- What becomes of it when a job that it waits for fails, is cancelled or is removed.
    if_parent_fails text COLLATE "C" NOT NULL DEFAULT 'cancel' CHECK (if_parent_fails IN ('cancel', 'run', 'wait')),
    unique_taken text COLLATE "C" GENERATED ALWAYS AS (CASE WHEN unique_key IS NULL THEN NULL
        WHEN finished_at IS NULL
          OR unique_final & CASE state WHEN 'completed' THEN 1 WHEN 'failed' THEN 2 ELSE 4 END <> 0 THEN unique_key END) STORED,
    CONSTRAINT jobdeck_life CHECK (CASE state
        WHEN 'running' THEN lease IS NOT NULL AND lease_until IS NOT NULL AND finished_at IS NULL AND reason IS NULL
            AND worker IS NOT NULL AND started_at IS NOT NULL AND attempt BETWEEN 1 AND max_attempts
        WHEN 'completed' THEN finished_at IS NOT NULL AND lease IS NULL AND lease_until IS NULL AND reason IS NULL
            AND NOT cancelling AND attempt BETWEEN 1 AND max_attempts
        ELSE lease IS NULL AND lease_until IS NULL AND NOT cancelling AND attempt >= 0
            AND CASE state
                WHEN 'failed' THEN finished_at IS NOT NULL AND attempt <= max_attempts
                WHEN 'cancelled' THEN finished_at IS NOT NULL AND attempt <= max_attempts
                ELSE finished_at IS NULL AND reason IS NULL AND attempt < max_attempts
                    AND state IN ('scheduled', 'waiting', 'pending', 'retrying') END
        END)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

-- A heartbeat and a report of progress change no column of an index, so that they leave all of these alone.
-- What a claim reads: ready rows only, one lane for each queue and kind, in the order of the claim.
CREATE INDEX jobdeck_ready ON jobdeck_jobs (queue, kind, priority DESC, id) WHERE state = 'pending';
-- What staging reads.
CREATE INDEX jobdeck_due ON jobdeck_jobs (scheduled_at) WHERE state IN ('scheduled', 'retrying');
-- What pruning reads: history is kept by age and by count for each final state.
CREATE INDEX jobdeck_final ON jobdeck_jobs (state, finished_at) WHERE finished_at IS NOT NULL;
-- What people look through.
CREATE INDEX jobdeck_by_state ON jobdeck_jobs (state, id);
CREATE INDEX jobdeck_by_queue ON jobdeck_jobs (queue, id);
CREATE INDEX jobdeck_by_kind ON jobdeck_jobs (kind, id);
CREATE INDEX jobdeck_by_batch ON jobdeck_jobs (batch, state, id) WHERE batch IS NOT NULL;
CREATE UNIQUE INDEX jobdeck_unique ON jobdeck_jobs (unique_taken) WHERE unique_taken IS NOT NULL;
CREATE INDEX jobdeck_expiring ON jobdeck_jobs (expires_at) WHERE expires_at IS NOT NULL AND finished_at IS NULL;
-- A schedule puts its tag last (see schedule.py), so what follows from there on names it. Only its jobs are in this index.
CREATE INDEX jobdeck_by_schedule ON jobdeck_jobs (substr(tags, strpos(tags, '"schedule:')), id) WHERE strpos(tags, '"schedule:') > 0;

-- Depth, kept with each transition. One row that all transactions change would let one of them commit at a time, so each
-- connection counts in a stripe that is its own for as long as it lives (see stripes.py): nobody waits for another's row,
-- and nobody can wait for each other. A number in one stripe may be negative; their sum is the depth.
CREATE TABLE jobdeck_stripes (
    stripe integer NOT NULL,
    queue  text COLLATE "C" NOT NULL,
    kind   text COLLATE "C" NOT NULL,
    state  text COLLATE "C" NOT NULL,
    n      bigint NOT NULL,
    PRIMARY KEY (stripe, queue, kind, state)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
CREATE VIEW jobdeck_counts AS
    SELECT queue, kind, state, sum(n)::bigint AS n FROM jobdeck_stripes GROUP BY queue, kind, state HAVING sum(n) <> 0;

CREATE TABLE jobdeck_queues (
    name        text COLLATE "C" PRIMARY KEY,
    paused_at   double precision,
    -- Limits of a queue across all processes: running at once, and starts in any `rate_period` seconds.
    max_running integer CHECK (max_running >= 1),
    rate        integer CHECK (rate >= 1),
    rate_period double precision,
    CHECK ((rate IS NULL) = (rate_period IS NULL))
);
-- The starts of the last period of queues that have a rate. Whoever claims from such a queue is alone (see claim.py).
CREATE TABLE jobdeck_starts (
    queue text COLLATE "C" NOT NULL,
    at    double precision NOT NULL,
    n     integer NOT NULL,
    PRIMARY KEY (queue, at)
);

-- One row for each run that has ended; the running one is told by the job itself. A lease names a run.
CREATE TABLE jobdeck_attempts (
    job_id      bigint NOT NULL,
    lease       bigint NOT NULL,
    number      integer NOT NULL,
    worker      text COLLATE "C" NOT NULL,
    started_at  double precision NOT NULL,
    finished_at double precision NOT NULL,
    outcome     text COLLATE "C" NOT NULL,
    error_type  text COLLATE "C",
    message     text COLLATE "C",
    traceback   text COLLATE "C",
    late_at     double precision,
    PRIMARY KEY (job_id, lease)
);
-- The newest failures, however many attempts went well.
CREATE INDEX jobdeck_failures ON jobdeck_attempts (finished_at) WHERE outcome IN ('failed', 'timed out', 'crashed');

CREATE TABLE jobdeck_logs (
    id      bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    job_id  bigint NOT NULL,
    attempt integer NOT NULL,
    at      double precision NOT NULL,
    level   text COLLATE "C" NOT NULL,
    text    text COLLATE "C" NOT NULL
);
CREATE INDEX jobdeck_logs_of ON jobdeck_logs (job_id, id);

CREATE TABLE jobdeck_workers (
    id           text COLLATE "C" PRIMARY KEY,
    host         text NOT NULL,
    pid          integer NOT NULL,
    threads      integer NOT NULL,
    queues       text NOT NULL,
    started_at   double precision NOT NULL,
    heartbeat_at double precision NOT NULL,
    beat         double precision NOT NULL,              -- heartbeat_at on the clock that leases are counted on
    draining     boolean NOT NULL,
    kinds        text NOT NULL DEFAULT '[]',
    processes    integer NOT NULL DEFAULT 0,
    stuck        integer NOT NULL DEFAULT 0,
    -- Which code it has asked to stop, and since when, as JSON: [[job id, kind, since, why], …].
    stopping     text NOT NULL DEFAULT '[]'
) WITH (fillfactor = 50);

-- Counts and histograms by slot of `width` seconds, in stripes as the depths. For `run` and `wait`, `bucket` is a step of a
-- logarithmic scale of durations (see store/histogram.py); otherwise it is 0.
CREATE TABLE jobdeck_metrics (
    width   integer NOT NULL,
    slot    bigint NOT NULL,
    queue   text COLLATE "C" NOT NULL,
    kind    text COLLATE "C" NOT NULL,
    measure text COLLATE "C" NOT NULL,
    bucket  integer NOT NULL,
    stripe  integer NOT NULL DEFAULT -1,
    n       bigint NOT NULL,
    PRIMARY KEY (width, slot, queue, kind, measure, bucket, stripe)
) WITH (fillfactor = 70);

-- Samples, once a minute, of how deep a queue was and how long its oldest ready job had waited (seconds). The queue ''
-- stands for all of them together; its row says that a sample was taken. Old samples become the peak of their hour.
CREATE TABLE jobdeck_depths (
    slot    bigint NOT NULL,
    queue   text COLLATE "C" NOT NULL,
    pending bigint NOT NULL,
    oldest  double precision NOT NULL,
    PRIMARY KEY (slot, queue)
);

CREATE TABLE jobdeck_batches (
    id         bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    total      bigint NOT NULL,
    created_at double precision NOT NULL
);

-- A waiting job and the jobs that it still waits for. A row goes when its parent is final; the job is staged with the last.
CREATE TABLE jobdeck_waits (
    parent bigint NOT NULL,
    child  bigint NOT NULL,
    PRIMARY KEY (parent, child)
);
CREATE INDEX jobdeck_waits_of ON jobdeck_waits (child);
-- Which job came after which, for people to look at; kept as long as the child.
CREATE TABLE jobdeck_after (
    child  bigint NOT NULL,
    parent bigint NOT NULL,
    PRIMARY KEY (child, parent)
);
CREATE INDEX jobdeck_after_of ON jobdeck_after (parent);

-- Periodic jobs. `next_at` is the tick that comes next; whoever moves it on enqueues, in the same transaction.
CREATE TABLE jobdeck_schedules (
    name         text COLLATE "C" PRIMARY KEY,
    cron         text NOT NULL,
    timezone     text NOT NULL,
    kind         text NOT NULL,
    args         text NOT NULL,
    queue        text NOT NULL,
    priority     integer NOT NULL,
    max_attempts integer NOT NULL,
    timeout      double precision,
    tags         text NOT NULL DEFAULT '[]',
    created_at   double precision NOT NULL,
    paused_at    double precision,
    next_at      double precision NOT NULL,
    last_at      double precision,
    last_job     bigint,
    error        text
);
CREATE INDEX jobdeck_ticks ON jobdeck_schedules (next_at) WHERE paused_at IS NULL;

-- What people did. `undone` of the `n` jobs are undone now; `undone_no` orders what can be redone, the newest undo first.
CREATE TABLE jobdeck_journal (
    id        bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    at        double precision NOT NULL,
    who       text COLLATE "C" NOT NULL,
    act       text COLLATE "C" NOT NULL,
    n         bigint NOT NULL,
    children  bigint NOT NULL,  -- jobs among them that were cancelled for a parent's sake
    kept      bigint NOT NULL,  -- jobs of which there is what it takes to undo the act
    bytes     bigint NOT NULL,  -- of its parts
    told      text NOT NULL,
    undone    bigint NOT NULL DEFAULT 0,
    undone_at double precision,
    undone_by text COLLATE "C",
    undone_no bigint
);
CREATE INDEX jobdeck_redo ON jobdeck_journal (undone_no) WHERE undone_no IS NOT NULL;
-- What it takes to undo an act, up to a thousand jobs a row (JSON, deflated if long; see people/deeds.py and deletion.py);
-- once a part is undone, what it takes to do it again.
CREATE TABLE jobdeck_journal_parts (
    act    bigint NOT NULL,
    part   bigint NOT NULL,
    at     double precision NOT NULL,
    undone boolean NOT NULL DEFAULT false,
    before bytea NOT NULL,
    PRIMARY KEY (act, part)
);
