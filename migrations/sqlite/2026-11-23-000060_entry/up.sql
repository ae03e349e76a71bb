-- A patient may come without a link: then it is made from what they say of themselves, and there is one for each such
-- claim, whether it is true or not. SQLite can't take a NOT NULL away, so the table is made anew; so is the one that
-- refers to it, before it goes.
CREATE TABLE new_portal_links (
  id INTEGER PRIMARY KEY,
  token_hash BLOB NOT NULL UNIQUE,
  patient_id INTEGER REFERENCES patients (id),
  conversation_id INTEGER REFERENCES conversations (id),
  notification_id INTEGER REFERENCES notifications (id),
  channel TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ended_at INTEGER,
  claim_hash BLOB
) STRICT;
INSERT INTO new_portal_links
  SELECT id, token_hash, patient_id, conversation_id, notification_id, channel, created_at, expires_at, ended_at, NULL
  FROM portal_links;
CREATE TABLE new_passcodes (
  link_id INTEGER PRIMARY KEY REFERENCES new_portal_links (id),
  code_hash TEXT,
  requested_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  locked_until INTEGER,
  locks INTEGER NOT NULL,
  send_state TEXT NOT NULL,
  send_reason TEXT
) STRICT;
INSERT INTO new_passcodes
  SELECT link_id, code_hash, requested_at, expires_at, tries, locked_until, locks, send_state, send_reason
  FROM passcodes;
DROP TABLE passcodes;
DROP TABLE portal_links;
ALTER TABLE new_portal_links RENAME TO portal_links;
ALTER TABLE new_passcodes RENAME TO passcodes;
CREATE INDEX portal_links_patient ON portal_links (patient_id, id);
CREATE INDEX portal_links_notification ON portal_links (notification_id);
CREATE UNIQUE INDEX portal_links_claim ON portal_links (claim_hash);
CREATE INDEX portal_links_expiry ON portal_links (expires_at);

-- what a patient is known by besides the health number
CREATE TABLE patient_identifiers (
  patient_id INTEGER NOT NULL REFERENCES patients (id),
  kind TEXT NOT NULL,
  number TEXT NOT NULL,
  number_key TEXT NOT NULL,
  PRIMARY KEY (patient_id, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX patient_identifiers_number ON patient_identifiers (number_key, kind);

-- hours after which a patient's session ends in any case; what patients may say of themselves, words with spaces
-- between; whether patients read the names of who takes part
ALTER TABLE clinic ADD COLUMN portal_longest_hours INTEGER NOT NULL DEFAULT 12 CHECK (portal_longest_hours BETWEEN 1 AND 24);
ALTER TABLE clinic ADD COLUMN portal_identifiers TEXT NOT NULL DEFAULT 'health_number';
ALTER TABLE clinic ADD COLUMN portal_names INTEGER NOT NULL DEFAULT 0 CHECK (portal_names IN (0, 1));
