-- Messages that go out later: what was typed, as a draft keeps it, until its moment; then the words stand in the message alone.
CREATE TABLE scheduled_messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  user_id INTEGER NOT NULL REFERENCES users (id),
  patient_id INTEGER NOT NULL REFERENCES patients (id),
  -- none: it begins a conversation
  conversation_id INTEGER REFERENCES conversations (id),
  form TEXT NOT NULL,
  send_at INTEGER NOT NULL,
  state TEXT NOT NULL,
  -- why it was not sent
  reason TEXT,
  state_at INTEGER NOT NULL,
  version INTEGER NOT NULL,
  -- of the form that made it: a double click makes one
  form_key TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL
) STRICT;
-- a user's list: what went out is not in it
CREATE INDEX scheduled_messages_user ON scheduled_messages (user_id, send_at, id) WHERE state <> 'sent';
CREATE INDEX scheduled_messages_patient ON scheduled_messages (patient_id);
CREATE INDEX scheduled_messages_conversation ON scheduled_messages (conversation_id) WHERE conversation_id IS NOT NULL;
-- a file that goes with one is kept as long as it is
ALTER TABLE uploads ADD COLUMN scheduled_id INTEGER REFERENCES scheduled_messages (id);
CREATE INDEX uploads_scheduled ON uploads (scheduled_id) WHERE scheduled_id IS NOT NULL;
