-- Everything that is sent to a patient is one kind of row: passcodes and "portal access given" are about no message.
-- SQLite can't take a NOT NULL away, so the table is made anew under its own name; what refers to it waits for the end.
PRAGMA defer_foreign_keys = ON;
CREATE TABLE kept_notifications AS SELECT * FROM notifications;
DROP TABLE notifications;
CREATE TABLE notifications (
  id INTEGER PRIMARY KEY,
  message_id INTEGER REFERENCES messages (id),
  conversation_id INTEGER REFERENCES conversations (id),
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
  user_id INTEGER REFERENCES users (id),
  CHECK ((message_id IS NULL) = (conversation_id IS NULL))
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
CREATE INDEX notifications_kind ON notifications (kind, created_at, id);

-- the notices that stood apart move in, with what is still to be sent
INSERT INTO notifications (patient_id, channel, state, reason, attempts, message_uid, created_at, state_at, kind)
  SELECT patient_id, channel, state, reason, 0, message_uid, created_at, state_at, 'portal_access'
  FROM access_notices ORDER BY id;
UPDATE jobs SET kind = 'send_notification', subject_id = (
    SELECT n.id FROM notifications n JOIN access_notices a ON a.message_uid = n.message_uid WHERE a.id = jobs.subject_id)
  WHERE kind = 'send_access_notice';
DROP TABLE access_notices;

-- the row of the newest sending
ALTER TABLE passcodes ADD COLUMN notification_id INTEGER REFERENCES notifications (id);
CREATE INDEX passcodes_notification ON passcodes (notification_id);

-- what each road came to, in place of one word for both; nothing: it was not taken
ALTER TABLE conversations ADD COLUMN notice_email TEXT;
ALTER TABLE conversations ADD COLUMN notice_text TEXT;
UPDATE conversations SET
  notice_email = (SELECT n.state FROM notifications n WHERE n.conversation_id = conversations.id AND n.channel = 'email'
    ORDER BY n.id DESC LIMIT 1),
  notice_text = (SELECT n.state FROM notifications n WHERE n.conversation_id = conversations.id AND n.channel = 'sms'
    ORDER BY n.id DESC LIMIT 1);
ALTER TABLE conversations DROP COLUMN notice_state;

-- numbers of texts are forgotten when no gateway would give them again
CREATE INDEX received_texts_time ON received_texts (received_at);
