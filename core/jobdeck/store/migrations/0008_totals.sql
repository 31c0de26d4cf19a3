-- Schema 8: totals since the queue exists, which only grow, for monitors that compute rates by themselves: the jobs that became
-- final by state, retries, crashes, late results, and for run and wait times the number by power of two of microseconds and the
-- sum in microseconds.

CREATE TABLE jobdeck_totals (
    queue   TEXT NOT NULL,
    kind    TEXT NOT NULL,
    measure TEXT NOT NULL,
    bucket  INTEGER NOT NULL,
    n       INTEGER NOT NULL,
    PRIMARY KEY (queue, kind, measure, bucket)
) STRICT, WITHOUT ROWID;
