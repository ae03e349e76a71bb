-- A conversation may be assigned to one of those who take part: until when it is to be seen to, or the last moment there is where no
-- time was set, so that in the order of a list those without one come last.
ALTER TABLE participants ADD COLUMN assigned_until INTEGER;
CREATE UNIQUE INDEX participants_assignee ON participants (conversation_id) WHERE assigned_until IS NOT NULL;
CREATE INDEX participants_assigned ON participants (user_id, assigned_until, conversation_id)
  WHERE assigned_until IS NOT NULL AND closed_at IS NULL AND done_at IS NULL;

-- What happened in a conversation beside its messages: who came, left, and to whom it was assigned. Its page says it where it happened.
CREATE TABLE conversation_events (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  conversation_id INTEGER NOT NULL REFERENCES conversations (id),
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  -- who did it; none: a command
  by_id INTEGER REFERENCES users (id),
  -- whom it is about
  user_id INTEGER NOT NULL REFERENCES users (id),
  -- until when it is to be seen to
  due_at INTEGER
) STRICT;
CREATE INDEX conversation_events_conversation ON conversation_events (conversation_id, at, id);
