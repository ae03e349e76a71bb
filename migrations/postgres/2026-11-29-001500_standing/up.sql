-- What a source said last of whether a record is in use: said again, it undoes nothing that a user has done since.
ALTER TABLE patient_sources ADD COLUMN standing TEXT;
