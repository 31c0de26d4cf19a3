-- Schema 7: when the server vacuums the tables whose rows come and go with the jobs. By default it waits for a fifth of a table to be
-- dead, or new: of ten million attempts that is two million, which every index scan over pruned ones reads again. Newly inserted
-- rows are vacuumed, too, so that pages of a lane are read from its index alone.

ALTER TABLE jobdeck_jobs SET (autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE jobdeck_attempts SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05,
                                  autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE jobdeck_logs SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05,
                              autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE jobdeck_after SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
-- Emptied as a rule, and read with each result of a queue that has dependencies.
ALTER TABLE jobdeck_waits SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
-- Updated in place many times a second, by a few rows for each connection.
ALTER TABLE jobdeck_metrics SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
ALTER TABLE jobdeck_totals SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
