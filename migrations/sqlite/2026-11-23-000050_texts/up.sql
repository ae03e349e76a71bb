-- minutes after midnight in the clinic's time zone; equal: no quiet hours
ALTER TABLE clinic ADD COLUMN quiet_from INTEGER NOT NULL DEFAULT 0 CHECK (quiet_from BETWEEN 0 AND 1439);
ALTER TABLE clinic ADD COLUMN quiet_until INTEGER NOT NULL DEFAULT 0 CHECK (quiet_until BETWEEN 0 AND 1439);

-- the address as it was when it was sent, the gateway's own number for it, and who wrote the message
ALTER TABLE notifications ADD COLUMN sent_to TEXT;
ALTER TABLE notifications ADD COLUMN gateway_id TEXT;
ALTER TABLE notifications ADD COLUMN user_id INTEGER REFERENCES users (id);
UPDATE notifications SET user_id = (SELECT messages.user_id FROM messages WHERE messages.id = message_id);
CREATE INDEX notifications_state ON notifications (state, created_at, id);
CREATE INDEX notifications_uid ON notifications (message_uid);
CREATE INDEX notifications_user ON notifications (user_id, created_at, id);

-- every state that a notification was in
CREATE TABLE notification_states (
  id INTEGER PRIMARY KEY,
  notification_id INTEGER NOT NULL REFERENCES notifications (id),
  state TEXT NOT NULL,
  reason TEXT,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX notification_states_of ON notification_states (notification_id, id);

-- addresses that nothing goes to any more: a number whose holder texted STOP, a mailbox that returned a mail
CREATE TABLE address_blocks (
  id INTEGER PRIMARY KEY,
  channel TEXT NOT NULL,
  address_key TEXT NOT NULL,
  kind TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX address_blocks_address ON address_blocks (channel, address_key);
CREATE INDEX patients_phone ON patients (phone);

-- texts that came in, by the gateway's own number for each: the same one again changes nothing. No words are kept.
CREATE TABLE received_texts (
  gateway_id TEXT PRIMARY KEY NOT NULL,
  sender TEXT NOT NULL,
  word TEXT NOT NULL,
  received_at INTEGER NOT NULL
) STRICT;
CREATE INDEX received_texts_sender ON received_texts (sender, received_at);

-- why a conversation needs somebody's attention; nothing: it does not
ALTER TABLE conversations ADD COLUMN attention TEXT;
CREATE INDEX conversations_attention ON conversations (attention, last_message_at, id);

-- how each road out is doing
CREATE TABLE roads (
  channel TEXT PRIMARY KEY NOT NULL,
  last_success_at INTEGER,
  last_error_at INTEGER,
  last_error TEXT
) STRICT;
