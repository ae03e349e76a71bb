-- What a user is writing to many patients, as typed. The row stays without words: the next save names its version.
CREATE TABLE broadcast_drafts (
  user_id INTEGER PRIMARY KEY NOT NULL REFERENCES users (id),
  version INTEGER NOT NULL,
  form TEXT,
  saved_at INTEGER NOT NULL
) STRICT;
