-- A file may be meant for many patients: then it names none, and once the message to many was checked it belongs to that.
ALTER TABLE uploads ALTER COLUMN patient_id DROP NOT NULL;
ALTER TABLE uploads ADD COLUMN broadcast_id BIGINT REFERENCES broadcasts (id);
CREATE INDEX uploads_broadcast ON uploads (broadcast_id) WHERE broadcast_id IS NOT NULL;
