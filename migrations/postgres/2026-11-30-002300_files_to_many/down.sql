-- the program before would send these without their files
UPDATE broadcasts SET state = 'stopped', reason = 'restored'
  WHERE state IN ('prepared', 'sending') AND id IN (SELECT broadcast_id FROM uploads WHERE broadcast_id IS NOT NULL);
UPDATE broadcasts SET reason = 'user' WHERE reason = 'files';
-- it knows no file for many: what nothing else refers to is swept
UPDATE blobs SET refs = refs - (SELECT COUNT(*) FROM uploads u WHERE u.blob_id = blobs.id AND u.patient_id IS NULL)
  WHERE id IN (SELECT blob_id FROM uploads WHERE patient_id IS NULL);
DELETE FROM uploads WHERE patient_id IS NULL;
INSERT INTO stray_files (name, due_at) SELECT name, created_at FROM blobs WHERE refs = 0 AND name IS NOT NULL;
DELETE FROM blobs WHERE refs = 0;
DROP INDEX uploads_broadcast;
ALTER TABLE uploads DROP COLUMN broadcast_id;
ALTER TABLE uploads ALTER COLUMN patient_id SET NOT NULL;
