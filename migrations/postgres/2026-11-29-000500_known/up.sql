-- Why a record is only kept, into whose chart it was merged, and by which form it was added: the same form sent twice adds
-- one patient.
ALTER TABLE patients ADD COLUMN archive_reason TEXT;
ALTER TABLE patients ADD COLUMN merged_into BIGINT REFERENCES patients (id);
ALTER TABLE patients ADD COLUMN form_key TEXT;
CREATE INDEX patients_merged_into ON patients (merged_into);
CREATE UNIQUE INDEX patients_form_key ON patients (form_key);
-- what came archived came from a source that told of a death
UPDATE patients SET archive_reason = 'deceased' WHERE archived_at IS NOT NULL;
