-- What a user is writing in a conversation, as the form stood: a reply to the patient and a note for colleagues, each of
-- its own. As in drafts, the row stays when the draft is gone, for its version.
CREATE TABLE conversation_drafts (
  user_id BIGINT NOT NULL REFERENCES users (id),
  conversation_id BIGINT NOT NULL REFERENCES conversations (id),
  writing TEXT NOT NULL,
  version BIGINT NOT NULL,
  form TEXT,
  saved_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (user_id, conversation_id, writing)
);
