DROP TABLE emr_writes;
