-- Each word that a patient was given on when they have an answer, and what became of it: the page on answer times counts them.
CREATE TABLE promises (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  conversation_id INTEGER NOT NULL REFERENCES conversations (id),
  -- when the patient was given it, and by when they have an answer
  asked_at INTEGER NOT NULL,
  answer_by INTEGER NOT NULL,
  -- when it was answered or closed, and by whom; nothing while the patient waits
  answered_at INTEGER,
  user_id INTEGER REFERENCES users (id)
) STRICT;
CREATE INDEX promises_asked ON promises (asked_at, id);
CREATE INDEX promises_conversation ON promises (conversation_id, id);
-- the words that stand at this moment; of those that were kept nobody knows when
INSERT INTO promises (conversation_id, asked_at, answer_by)
  SELECT id, waiting_since, answer_by FROM conversations
  WHERE answer_by IS NOT NULL AND waiting_since IS NOT NULL AND closed_at IS NULL ORDER BY id;
