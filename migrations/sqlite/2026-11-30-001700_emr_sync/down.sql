DROP TABLE emr_refused;
DROP TABLE emr_waiting_charts;
DROP TABLE emr_left_out;
DROP TABLE emr_progress;
DROP TABLE emr_rounds;
