-- When the clinic is open, and within which time it promises an answer. The tables are held by the row of `clinic`.
CREATE TABLE opening_hours (
  -- 1: Monday, as in ISO 8601
  weekday BIGINT NOT NULL,
  -- minutes after midnight, in the clinic's time zone
  opens BIGINT NOT NULL,
  closes BIGINT NOT NULL,
  PRIMARY KEY (weekday, opens)
);
CREATE TABLE closed_days (
  day TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL
);
-- no row: nothing is promised
CREATE TABLE answer_promise (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  unit TEXT NOT NULL,
  amount BIGINT NOT NULL
);

-- The word that the patient was given, until it is kept; the one that the newest answer has kept, should that be taken back; and by
-- when an answer is due, which the lists of what waits are ordered by: by the word, or since the patient waits where none was given.
ALTER TABLE conversations ADD COLUMN answer_by TIMESTAMPTZ;
ALTER TABLE conversations ADD COLUMN answer_kept TIMESTAMPTZ;
ALTER TABLE conversations ADD COLUMN answer_due TIMESTAMPTZ;
UPDATE conversations SET answer_due = waiting_since WHERE closed_at IS NULL AND waiting_since IS NOT NULL;
ALTER TABLE participants ADD COLUMN answer_due TIMESTAMPTZ;
UPDATE participants SET answer_due = waiting_since WHERE closed_at IS NULL AND waiting_since IS NOT NULL;
DROP INDEX conversations_for_us;
CREATE INDEX conversations_for_us ON conversations (answer_due, id) WHERE answer_due IS NOT NULL;
DROP INDEX participants_for_us;
CREATE INDEX participants_for_us ON participants (user_id, answer_due, conversation_id) WHERE answer_due IS NOT NULL;
