-- By what each source knows a patient: an id is unique within one source only. Keys of before said nothing of a server:
-- they become ids of the source "fhir", which is that of files without addresses, or "csv".
CREATE TABLE patient_sources (
  id INTEGER PRIMARY KEY,
  patient_id INTEGER NOT NULL REFERENCES patients (id),
  source TEXT NOT NULL,
  source_id TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX patient_sources_key ON patient_sources (source, source_id);
CREATE INDEX patient_sources_patient ON patient_sources (patient_id, id);
INSERT INTO patient_sources (patient_id, source, source_id, created_at)
  SELECT id, substr(source_key, 1, instr(source_key, ':') - 1), substr(source_key, instr(source_key, ':') + 1), created_at
  FROM patients WHERE source_key LIKE '%:%' ORDER BY id;
