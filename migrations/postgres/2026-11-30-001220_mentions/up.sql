-- Who was mentioned in an internal note. What the note says of them stands in its text, with the name that they had.
CREATE TABLE mentions (
  message_id BIGINT NOT NULL REFERENCES messages (id),
  user_id BIGINT NOT NULL REFERENCES users (id),
  conversation_id BIGINT NOT NULL REFERENCES conversations (id),
  PRIMARY KEY (message_id, user_id)
);
CREATE INDEX mentions_user ON mentions (user_id, conversation_id, message_id);
CREATE INDEX mentions_conversation ON mentions (conversation_id);

-- when a participant was mentioned last: the list of mentions is in this order
ALTER TABLE participants ADD COLUMN mentioned_at TIMESTAMPTZ;
CREATE INDEX participants_mentioned ON participants (user_id, mentioned_at, conversation_id)
  WHERE mentioned_at IS NOT NULL AND closed_at IS NULL AND done_at IS NULL;
