ALTER TABLE patient_sources DROP COLUMN standing;
