-- Schema 3: the jobs of a schedule are found by its name.

-- A schedule puts its tag last (see schedule.py), so what follows from there on names it. Only its jobs are in this index:
-- all others pay for one look at their tags when they are enqueued.
CREATE INDEX jobdeck_by_schedule ON jobdeck_jobs (substr(tags, instr(tags, '"schedule:'))) WHERE instr(tags, '"schedule:') > 0;
