-- One message to many patients: what was written, and what has become of it.
CREATE TABLE broadcasts (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  -- who prepared it; from the sending on, who sent it
  user_id INTEGER NOT NULL REFERENCES users (id),
  title TEXT NOT NULL,
  form TEXT NOT NULL,
  state TEXT NOT NULL,
  -- why it was stopped, and by whom
  reason TEXT,
  stopped_by INTEGER REFERENCES users (id),
  created_at INTEGER NOT NULL,
  sent_at INTEGER,
  state_at INTEGER NOT NULL,
  -- of the form that made it: a double click makes one
  form_key TEXT NOT NULL UNIQUE
) STRICT;
-- To whom it goes: each patient once. What goes to one of them is a conversation like any other.
CREATE TABLE broadcast_recipients (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  broadcast_id INTEGER NOT NULL REFERENCES broadcasts (id),
  patient_id INTEGER NOT NULL REFERENCES patients (id),
  state TEXT NOT NULL,
  -- why it does not go to them
  reason TEXT,
  -- by which ways they are told
  roads TEXT,
  conversation_id INTEGER REFERENCES conversations (id),
  state_at INTEGER
) STRICT;
CREATE UNIQUE INDEX broadcast_recipients_once ON broadcast_recipients (broadcast_id, patient_id);
-- what is next, and its list page by page
CREATE INDEX broadcast_recipients_state ON broadcast_recipients (broadcast_id, state, id);
CREATE INDEX broadcast_recipients_patient ON broadcast_recipients (patient_id);
CREATE INDEX broadcast_recipients_conversation ON broadcast_recipients (conversation_id) WHERE conversation_id IS NOT NULL;
