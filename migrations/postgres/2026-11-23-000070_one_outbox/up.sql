-- Everything that is sent to a patient is one kind of row: passcodes and "portal access given" are about no message.
ALTER TABLE notifications ALTER COLUMN message_id DROP NOT NULL;
ALTER TABLE notifications ALTER COLUMN conversation_id DROP NOT NULL;
ALTER TABLE notifications ADD CONSTRAINT notifications_check CHECK ((message_id IS NULL) = (conversation_id IS NULL));
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
ALTER TABLE passcodes ADD COLUMN notification_id BIGINT REFERENCES notifications (id);
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
