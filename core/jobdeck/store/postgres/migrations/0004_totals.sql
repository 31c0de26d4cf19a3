-- Schema 4: totals since the queue exists, which only grow, for monitors that compute rates by themselves: the jobs that became
-- final by state, retries, crashes, late results, and for run and wait times the number by power of two of microseconds and the
-- sum in microseconds. Each connection counts in its own shard, as in jobdeck_stripes.

CREATE TABLE IF NOT EXISTS jobdeck_totals (
    queue   text COLLATE "C" NOT NULL,
    kind    text COLLATE "C" NOT NULL,
    measure text COLLATE "C" NOT NULL,
    bucket  integer NOT NULL,
    stripe  integer NOT NULL DEFAULT -1,
    n       bigint NOT NULL,
    PRIMARY KEY (queue, kind, measure, bucket, stripe)
) WITH (fillfactor = 50);
