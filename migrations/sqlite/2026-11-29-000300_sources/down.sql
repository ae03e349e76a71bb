DROP TABLE patient_sources;
