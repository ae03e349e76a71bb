ALTER TABLE clinic DROP COLUMN portal_names;
ALTER TABLE clinic DROP COLUMN portal_identifiers;
ALTER TABLE clinic DROP COLUMN portal_longest_hours;
DROP TABLE patient_identifiers;
DELETE FROM passcodes WHERE link_id IN (SELECT id FROM portal_links WHERE claim_hash IS NOT NULL);
DELETE FROM portal_links WHERE claim_hash IS NOT NULL;
CREATE TABLE old_portal_links (
  id INTEGER PRIMARY KEY,
  token_hash BLOB NOT NULL UNIQUE,
  patient_id INTEGER NOT NULL REFERENCES patients (id),
  conversation_id INTEGER NOT NULL REFERENCES conversations (id),
  notification_id INTEGER NOT NULL REFERENCES notifications (id),
  channel TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ended_at INTEGER
) STRICT;
INSERT INTO old_portal_links
  SELECT id, token_hash, patient_id, conversation_id, notification_id, channel, created_at, expires_at, ended_at
  FROM portal_links;
CREATE TABLE old_passcodes (
  link_id INTEGER PRIMARY KEY REFERENCES old_portal_links (id),
  code_hash TEXT,
  requested_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  locked_until INTEGER,
  locks INTEGER NOT NULL,
  send_state TEXT NOT NULL,
  send_reason TEXT
) STRICT;
INSERT INTO old_passcodes
  SELECT link_id, code_hash, requested_at, expires_at, tries, locked_until, locks, send_state, send_reason
  FROM passcodes;
DROP TABLE passcodes;
DROP TABLE portal_links;
ALTER TABLE old_portal_links RENAME TO portal_links;
ALTER TABLE old_passcodes RENAME TO passcodes;
CREATE INDEX portal_links_patient ON portal_links (patient_id, id);
CREATE INDEX portal_links_notification ON portal_links (notification_id);
