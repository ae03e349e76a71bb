ALTER TABLE clinic DROP COLUMN retention;
DROP TABLE deleted_sources;
DROP TABLE deleted_records;
DROP TABLE record_holds;
DROP INDEX patients_archived;
ALTER TABLE patients DROP COLUMN deleted_at;
