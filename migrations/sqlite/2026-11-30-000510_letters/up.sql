-- days after which a letter is asked for; 0: never
ALTER TABLE reach_settings ADD COLUMN letter_days INTEGER NOT NULL DEFAULT 0 CHECK (letter_days BETWEEN 0 AND 1000);
-- Where a letter reaches a patient. It stays with the record in which it was entered.
CREATE TABLE postal_addresses (
  patient_id INTEGER NOT NULL PRIMARY KEY REFERENCES patients (id),
  -- one to three lines
  street TEXT NOT NULL,
  city TEXT NOT NULL,
  region TEXT NOT NULL,
  postal_code TEXT NOT NULL,
  country TEXT NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT;
-- Letters that were printed: they say that a message waits.
CREATE TABLE letters (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  step_id INTEGER NOT NULL REFERENCES plan_steps (id),
  conversation_id INTEGER NOT NULL REFERENCES conversations (id),
  user_id INTEGER NOT NULL REFERENCES users (id),
  -- name and address as printed, a line each
  recipient TEXT NOT NULL,
  language TEXT NOT NULL,
  -- of the form that made it: a double click prints one letter
  form_key TEXT NOT NULL UNIQUE,
  printed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX letters_conversation ON letters (conversation_id, id);
CREATE INDEX letters_step ON letters (step_id);
