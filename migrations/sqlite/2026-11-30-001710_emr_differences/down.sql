DROP TABLE emr_differences;
DROP TABLE emr_rules;
