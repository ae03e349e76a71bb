DROP INDEX participants_for_us;
CREATE INDEX participants_for_us ON participants (user_id, waiting_since, conversation_id)
  WHERE closed_at IS NULL AND waiting_since IS NOT NULL;
DROP INDEX conversations_for_us;
CREATE INDEX conversations_for_us ON conversations (waiting_since, id) WHERE closed_at IS NULL AND waiting_since IS NOT NULL;
ALTER TABLE participants DROP COLUMN answer_due;
ALTER TABLE conversations DROP COLUMN answer_due;
ALTER TABLE conversations DROP COLUMN answer_kept;
ALTER TABLE conversations DROP COLUMN answer_by;
DROP TABLE answer_promise;
DROP TABLE closed_days;
DROP TABLE opening_hours;
