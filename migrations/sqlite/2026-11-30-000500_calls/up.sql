-- The last rungs of a plan: which of them the clinic uses, as days after a message that is not opened; 0: not at all. A table of
-- its own, because the query builder limits the columns of a row; without a row no rung is used.
CREATE TABLE reach_settings (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  phone_days INTEGER NOT NULL CHECK (phone_days BETWEEN 0 AND 1000)
) STRICT;
-- Telephone calls about a message that waits, as users note them.
CREATE TABLE phone_calls (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  step_id INTEGER NOT NULL REFERENCES plan_steps (id),
  conversation_id INTEGER NOT NULL REFERENCES conversations (id),
  user_id INTEGER NOT NULL REFERENCES users (id),
  outcome TEXT NOT NULL,
  note TEXT NOT NULL,
  -- of the form that made it: a double click notes one call
  form_key TEXT NOT NULL UNIQUE,
  called_at INTEGER NOT NULL
) STRICT;
CREATE INDEX phone_calls_conversation ON phone_calls (conversation_id, id);
CREATE INDEX phone_calls_step ON phone_calls (step_id);
