-- Since when an answer of ours is waited for, and since when a conversation needs something of the clinic. What a user's own
-- list is narrowed by stands in their row too: each view of the inbox is read along one index, in its order.
ALTER TABLE conversations ADD COLUMN waiting_since TIMESTAMPTZ;
ALTER TABLE conversations ADD COLUMN to_do_since TIMESTAMPTZ;
UPDATE conversations SET waiting_since = COALESCE(
    (SELECT min(m.created_at) FROM messages m WHERE m.conversation_id = conversations.id AND m.author = 'patient' AND m.id > COALESCE(
      (SELECT max(o.id) FROM messages o WHERE o.conversation_id = conversations.id AND o.author = 'user' AND NOT o.internal), 0)),
    last_message_at)
  WHERE last_author = 'patient';
UPDATE conversations SET to_do_since = COALESCE(waiting_since, last_message_at)
  WHERE closed_at IS NULL AND (waiting_since IS NOT NULL OR attention IS NOT NULL);
DROP INDEX conversations_waiting;
CREATE INDEX conversations_to_do ON conversations (to_do_since, id) WHERE to_do_since IS NOT NULL;
CREATE INDEX conversations_for_us ON conversations (waiting_since, id) WHERE closed_at IS NULL AND waiting_since IS NOT NULL;
CREATE INDEX conversations_for_patient ON conversations (last_message_at, id) WHERE closed_at IS NULL AND waiting_since IS NULL;
CREATE INDEX conversations_closed ON conversations (last_message_at, id) WHERE closed_at IS NOT NULL;

ALTER TABLE participants ADD COLUMN closed_at TIMESTAMPTZ;
ALTER TABLE participants ADD COLUMN waiting_since TIMESTAMPTZ;
ALTER TABLE participants ADD COLUMN attention TEXT;
ALTER TABLE participants ADD COLUMN to_do_since TIMESTAMPTZ;
UPDATE participants SET closed_at = c.closed_at, waiting_since = c.waiting_since, attention = c.attention,
    to_do_since = CASE WHEN done_at IS NULL AND c.closed_at IS NULL THEN
      COALESCE(c.to_do_since, CASE WHEN unread THEN c.last_message_at END) END
  FROM conversations c WHERE c.id = participants.conversation_id;
DROP INDEX participants_done;
CREATE INDEX participants_done ON participants (user_id, last_message_at, conversation_id) WHERE done_at IS NOT NULL;
CREATE INDEX participants_to_do ON participants (user_id, to_do_since, conversation_id) WHERE to_do_since IS NOT NULL;
-- of two indexes that serve as well SQLite takes the newer: the wider one comes first
CREATE INDEX participants_open ON participants (user_id, last_message_at, conversation_id) WHERE closed_at IS NULL;
CREATE INDEX participants_for_us ON participants (user_id, waiting_since, conversation_id)
  WHERE closed_at IS NULL AND waiting_since IS NOT NULL;
CREATE INDEX participants_for_patient ON participants (user_id, last_message_at, conversation_id)
  WHERE closed_at IS NULL AND waiting_since IS NULL;
CREATE INDEX participants_attention ON participants (user_id, last_message_at, conversation_id) WHERE attention IS NOT NULL;
CREATE INDEX participants_closed ON participants (user_id, last_message_at, conversation_id) WHERE closed_at IS NOT NULL;
