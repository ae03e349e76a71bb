-- what a patient may answer with one tap: words with spaces between; what they did answer, and the newest of it
ALTER TABLE messages ADD COLUMN offers TEXT NOT NULL DEFAULT '';
CREATE TABLE answers (
  message_id INTEGER NOT NULL REFERENCES messages (id),
  answer TEXT NOT NULL,
  answered_at INTEGER NOT NULL,
  PRIMARY KEY (message_id, answer)
) STRICT, WITHOUT ROWID;
ALTER TABLE conversations ADD COLUMN answer TEXT;

-- what a patient is writing: one text for each conversation, kept while the session ends and they come back
CREATE TABLE reply_drafts (
  conversation_id INTEGER PRIMARY KEY NOT NULL REFERENCES conversations (id),
  body TEXT NOT NULL,
  saved_at INTEGER NOT NULL
) STRICT;
