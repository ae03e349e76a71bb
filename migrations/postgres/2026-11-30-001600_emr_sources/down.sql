DROP TABLE emr_sources;
DROP TABLE emr_keys;
