-- A file may be meant for many patients: then it names none, and once the message to many was checked it belongs to that. SQLite
-- can't take a NOT NULL away, so the table is made anew; an identity that was given before is not given again.
CREATE TABLE new_uploads (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id INTEGER NOT NULL REFERENCES users (id),
  patient_id INTEGER REFERENCES patients (id),
  blob_id INTEGER NOT NULL REFERENCES blobs (id),
  file_name TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  suspect_id INTEGER REFERENCES patients (id),
  suspect_by TEXT,
  confirmed_at INTEGER,
  created_at INTEGER NOT NULL,
  looked_at TEXT NOT NULL DEFAULT 'words',
  scheduled_id INTEGER REFERENCES scheduled_messages (id),
  broadcast_id INTEGER REFERENCES broadcasts (id)
) STRICT;
INSERT INTO new_uploads
  SELECT id, user_id, patient_id, blob_id, file_name, media_type, size, suspect_id, suspect_by, confirmed_at, created_at,
    looked_at, scheduled_id, NULL
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
CREATE INDEX uploads_broadcast ON uploads (broadcast_id) WHERE broadcast_id IS NOT NULL;
