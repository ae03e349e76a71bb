-- By when what is to do is due: by the word that the patient was given, or where none was given since when it is to do. "To do" can be
-- read in this order, along an index of its own.
ALTER TABLE conversations ADD COLUMN to_do_due INTEGER;
UPDATE conversations SET to_do_due = COALESCE(answer_due, to_do_since) WHERE to_do_since IS NOT NULL;
ALTER TABLE participants ADD COLUMN to_do_due INTEGER;
UPDATE participants SET to_do_due = COALESCE(answer_due, to_do_since) WHERE to_do_since IS NOT NULL;
CREATE INDEX conversations_to_do_due ON conversations (to_do_due, id) WHERE to_do_due IS NOT NULL;
CREATE INDEX participants_to_do_due ON participants (user_id, to_do_due, conversation_id) WHERE to_do_due IS NOT NULL;
