DROP TABLE worker_looks;
DROP INDEX jobs_lane;
ALTER TABLE jobs DROP COLUMN party;
ALTER TABLE jobs DROP COLUMN lane;
