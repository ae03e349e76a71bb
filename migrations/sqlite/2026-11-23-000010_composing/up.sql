-- What a user is writing to a patient, as the form stood. The row stays when the draft is gone (form NULL): its version
-- goes on counting, so that a save which comes late, after the message was sent, is recognised and refused.
CREATE TABLE drafts (
  user_id INTEGER NOT NULL REFERENCES users (id),
  patient_id INTEGER NOT NULL REFERENCES patients (id),
  version INTEGER NOT NULL,
  form TEXT,
  saved_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, patient_id)
) STRICT, WITHOUT ROWID;

-- owner_id NULL: for the whole clinic
CREATE TABLE message_templates (
  id INTEGER PRIMARY KEY,
  owner_id INTEGER REFERENCES users (id),
  name TEXT NOT NULL,
  name_key TEXT NOT NULL,
  category TEXT NOT NULL,
  language TEXT NOT NULL,
  title TEXT NOT NULL,
  body_html TEXT NOT NULL,
  replies TEXT NOT NULL,
  version INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  retired_at INTEGER
) STRICT;
CREATE INDEX message_templates_owner ON message_templates (owner_id, name_key, id);

-- every version that there was, the present one too
CREATE TABLE message_template_versions (
  template_id INTEGER NOT NULL REFERENCES message_templates (id),
  version INTEGER NOT NULL,
  name TEXT NOT NULL,
  category TEXT NOT NULL,
  language TEXT NOT NULL,
  title TEXT NOT NULL,
  body_html TEXT NOT NULL,
  replies TEXT NOT NULL,
  changed_by INTEGER REFERENCES users (id),
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (template_id, version)
) STRICT, WITHOUT ROWID;

-- the address that the patient proved to hold, by a passcode sent there; another one on record is unconfirmed
ALTER TABLE patients ADD COLUMN confirmed_email TEXT;
ALTER TABLE patients ADD COLUMN confirmed_phone TEXT;
