-- Whose word counts for a field of a patient's record, where the clinic and an EMR differ; no row: a user is asked.
CREATE TABLE emr_rules (
  field TEXT PRIMARY KEY NOT NULL,
  rule TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- What an EMR says of a patient otherwise than the clinic's record does.
CREATE TABLE emr_differences (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  patient_id INTEGER NOT NULL REFERENCES patients (id),
  source TEXT NOT NULL,
  -- the patient's id there
  owner_id TEXT NOT NULL,
  field TEXT NOT NULL,
  theirs TEXT NOT NULL,
  noted_at INTEGER NOT NULL,
  -- when a user decided that the clinic's word stays
  kept_at INTEGER
) STRICT;
CREATE UNIQUE INDEX emr_differences_once ON emr_differences (patient_id, source, owner_id, field);
