-- the clinic's own wording, every version of it; the newest holds, and one without a body is the program's default
CREATE TABLE notification_templates (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  channel TEXT NOT NULL,
  language TEXT NOT NULL,
  version INTEGER NOT NULL,
  subject TEXT,
  body TEXT,
  user_id INTEGER NOT NULL REFERENCES users (id),
  created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX notification_templates_version ON notification_templates (kind, channel, language, version);

-- which of the clinic's wordings a notification takes
ALTER TABLE notifications ADD COLUMN kind TEXT NOT NULL DEFAULT 'message_waiting';

ALTER TABLE clinic ADD COLUMN notify_by_name INTEGER NOT NULL DEFAULT 0 CHECK (notify_by_name IN (0, 1));
ALTER TABLE clinic ADD COLUMN tell_of_access INTEGER NOT NULL DEFAULT 0 CHECK (tell_of_access IN (0, 1));

-- "portal access given": about no message, so not among the notifications
CREATE TABLE access_notices (
  id INTEGER PRIMARY KEY,
  patient_id INTEGER NOT NULL REFERENCES patients (id),
  channel TEXT NOT NULL,
  state TEXT NOT NULL,
  reason TEXT,
  message_uid TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  state_at INTEGER NOT NULL
) STRICT;
CREATE INDEX access_notices_patient ON access_notices (patient_id, id);
