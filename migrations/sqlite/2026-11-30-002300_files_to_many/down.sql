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
CREATE TABLE new_uploads (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id INTEGER NOT NULL REFERENCES users (id),
  patient_id INTEGER NOT NULL REFERENCES patients (id),
  blob_id INTEGER NOT NULL REFERENCES blobs (id),
  file_name TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  suspect_id INTEGER REFERENCES patients (id),
  suspect_by TEXT,
  confirmed_at INTEGER,
  created_at INTEGER NOT NULL,
  looked_at TEXT NOT NULL DEFAULT 'words',
  scheduled_id INTEGER REFERENCES scheduled_messages (id)
) STRICT;
INSERT INTO new_uploads
  SELECT id, user_id, patient_id, blob_id, file_name, media_type, size, suspect_id, suspect_by, confirmed_at, created_at,
    looked_at, scheduled_id
  FROM uploads;
DELETE FROM sqlite_sequence WHERE name = 'new_uploads';
INSERT INTO sqlite_sequence (name, seq) SELECT 'new_uploads', seq FROM sqlite_sequence WHERE name = 'uploads';
DROP TABLE uploads;
ALTER TABLE new_uploads RENAME TO uploads;
CREATE INDEX uploads_owner ON uploads (user_id, patient_id, id);
CREATE INDEX uploads_blob ON uploads (blob_id);
CREATE INDEX uploads_suspect ON uploads (suspect_id);
CREATE INDEX uploads_age ON uploads (created_at, id);
CREATE INDEX uploads_scheduled ON uploads (scheduled_id) WHERE scheduled_id IS NOT NULL;
