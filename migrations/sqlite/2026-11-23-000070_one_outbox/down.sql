DROP INDEX received_texts_time;
ALTER TABLE conversations ADD COLUMN notice_state TEXT NOT NULL DEFAULT 'queued';
UPDATE conversations SET notice_state = COALESCE(notice_email, notice_text, 'queued');
ALTER TABLE conversations DROP COLUMN notice_text;
ALTER TABLE conversations DROP COLUMN notice_email;
DROP INDEX passcodes_notification;
CREATE TABLE kept_passcodes AS SELECT * FROM passcodes;
DROP TABLE passcodes;
CREATE TABLE passcodes (
  link_id INTEGER PRIMARY KEY REFERENCES portal_links (id),
  code_hash TEXT,
  requested_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  locked_until INTEGER,
  locks INTEGER NOT NULL,
  send_state TEXT NOT NULL,
  send_reason TEXT
) STRICT;
INSERT INTO passcodes
  SELECT link_id, code_hash, requested_at, expires_at, tries, locked_until, locks, send_state, send_reason
  FROM kept_passcodes;
DROP TABLE kept_passcodes;
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
INSERT INTO access_notices (patient_id, channel, state, reason, message_uid, created_at, state_at)
  SELECT patient_id, channel, state, reason, message_uid, created_at, state_at
  FROM notifications WHERE kind = 'portal_access' ORDER BY id;
UPDATE jobs SET kind = 'send_access_notice', subject_id = (
    SELECT a.id FROM notifications n JOIN access_notices a ON a.message_uid = n.message_uid WHERE n.id = jobs.subject_id)
  WHERE kind = 'send_notification' AND subject_id IN (SELECT id FROM notifications WHERE kind = 'portal_access');
DROP INDEX notifications_kind;
DELETE FROM notification_states WHERE notification_id IN (SELECT id FROM notifications WHERE message_id IS NULL);
DELETE FROM notifications WHERE message_id IS NULL;
PRAGMA defer_foreign_keys = ON;
CREATE TABLE kept_notifications AS SELECT * FROM notifications;
DROP TABLE notifications;
CREATE TABLE notifications (
  id INTEGER PRIMARY KEY,
  message_id INTEGER NOT NULL REFERENCES messages (id),
  conversation_id INTEGER NOT NULL REFERENCES conversations (id),
  patient_id INTEGER NOT NULL REFERENCES patients (id),
  channel TEXT NOT NULL,
  state TEXT NOT NULL,
  reason TEXT,
  attempts INTEGER NOT NULL,
  message_uid TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  state_at INTEGER NOT NULL,
  kind TEXT NOT NULL DEFAULT 'message_waiting',
  sent_to TEXT,
  gateway_id TEXT,
  user_id INTEGER REFERENCES users (id)
) STRICT;
INSERT INTO notifications (id, message_id, conversation_id, patient_id, channel, state, reason, attempts, message_uid, created_at, state_at,
    kind, sent_to, gateway_id, user_id)
  SELECT id, message_id, conversation_id, patient_id, channel, state, reason, attempts, message_uid, created_at, state_at,
    kind, sent_to, gateway_id, user_id
  FROM kept_notifications;
DROP TABLE kept_notifications;
CREATE INDEX notifications_message ON notifications (message_id, id);
CREATE INDEX notifications_conversation ON notifications (conversation_id, id);
CREATE INDEX notifications_newest ON notifications (created_at, id);
CREATE INDEX notifications_patient ON notifications (patient_id, id);
CREATE INDEX notifications_state ON notifications (state, created_at, id);
CREATE INDEX notifications_uid ON notifications (message_uid);
CREATE INDEX notifications_user ON notifications (user_id, created_at, id);
