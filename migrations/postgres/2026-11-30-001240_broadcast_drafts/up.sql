-- What a user is writing to many patients, as typed. The row stays without words: the next save names its version.
CREATE TABLE broadcast_drafts (
  user_id BIGINT PRIMARY KEY REFERENCES users (id),
  version BIGINT NOT NULL,
  form TEXT,
  saved_at TIMESTAMPTZ NOT NULL
);
