-- Schema 10: one index of the lanes (a state, a queue and a kind) instead of four: of ready rows, by state, by queue and by kind.
-- Each index costs an enqueue a page of its commit. Within a lane the jobs are in the order of the claim; a page by id merges the
-- lanes that the depth counters name, and their priorities.

CREATE INDEX jobdeck_by_lane ON jobdeck_jobs (state, queue, kind, priority DESC);
DROP INDEX jobdeck_ready;
DROP INDEX jobdeck_by_state;
DROP INDEX jobdeck_by_queue;
DROP INDEX jobdeck_by_kind;
