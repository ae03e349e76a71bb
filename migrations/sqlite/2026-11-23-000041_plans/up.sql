-- what follows where a message is not opened: hours until the text, days until the reminder and until the sender is
-- told; 0: at once for the text, never for the others
ALTER TABLE clinic ADD COLUMN plan_text_hours INTEGER NOT NULL DEFAULT 0 CHECK (plan_text_hours BETWEEN 0 AND 1000);
ALTER TABLE clinic ADD COLUMN plan_remind_days INTEGER NOT NULL DEFAULT 2 CHECK (plan_remind_days BETWEEN 0 AND 1000);
ALTER TABLE clinic ADD COLUMN plan_tell_days INTEGER NOT NULL DEFAULT 2 CHECK (plan_tell_days BETWEEN 0 AND 1000);

CREATE TABLE plan_steps (
  id INTEGER PRIMARY KEY,
  message_id INTEGER NOT NULL REFERENCES messages (id),
  conversation_id INTEGER NOT NULL REFERENCES conversations (id),
  step TEXT NOT NULL,
  due_at INTEGER NOT NULL,
  state TEXT NOT NULL,
  state_at INTEGER NOT NULL
) STRICT;
CREATE INDEX plan_steps_conversation ON plan_steps (conversation_id, due_at, id);

-- when a user gets an email about patients' answers
ALTER TABLE users ADD COLUMN told_of_replies TEXT NOT NULL DEFAULT 'off';
