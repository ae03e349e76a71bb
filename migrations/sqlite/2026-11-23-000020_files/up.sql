-- What is in storage, one row for each content. refs counts the rows elsewhere that refer to it; the last one to let
-- go removes the row. name is null where the content was removed because it is infected.
CREATE TABLE blobs (
  id INTEGER PRIMARY KEY,
  sha256 BLOB NOT NULL UNIQUE,
  size INTEGER NOT NULL,
  name TEXT UNIQUE,
  key_id TEXT,
  nonce BLOB,
  scan TEXT NOT NULL,
  refs INTEGER NOT NULL CHECK (refs >= 0),
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX blobs_scan ON blobs (scan, id);
CREATE INDEX blobs_key ON blobs (key_id, id);

-- Files that may be in storage and that no blob owns: about to be written, or let go. Swept when due.
CREATE TABLE stray_files (
  name TEXT PRIMARY KEY NOT NULL,
  due_at INTEGER NOT NULL
) STRICT;
CREATE INDEX stray_files_due ON stray_files (due_at);

-- Files that a user chose for a message to a patient and that are not sent yet. An identity is never given twice: a form
-- or a draft may still name the one that is gone.
CREATE TABLE uploads (
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
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX uploads_owner ON uploads (user_id, patient_id, id);
CREATE INDEX uploads_blob ON uploads (blob_id);
CREATE INDEX uploads_suspect ON uploads (suspect_id);
CREATE INDEX uploads_age ON uploads (created_at, id);

CREATE TABLE attachments (
  id INTEGER PRIMARY KEY,
  message_id INTEGER NOT NULL REFERENCES messages (id),
  conversation_id INTEGER NOT NULL REFERENCES conversations (id),
  number INTEGER NOT NULL,
  blob_id INTEGER NOT NULL REFERENCES blobs (id),
  file_name TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  page_blob_id INTEGER REFERENCES blobs (id),
  chart_item_id INTEGER,
  created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX attachments_number ON attachments (conversation_id, number);
CREATE INDEX attachments_message ON attachments (message_id, number);
CREATE INDEX attachments_blob ON attachments (blob_id);
CREATE INDEX attachments_page_blob ON attachments (page_blob_id);
