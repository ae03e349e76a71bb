DROP TABLE emr_newcomers;
DROP TABLE emr_links;
ALTER TABLE provider_visits DROP COLUMN source;
