-- A message on its way into the record of an EMR, or there.
CREATE TABLE emr_writes (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  message_id INTEGER NOT NULL REFERENCES messages (id),
  -- the whole conversation as a document, whose last message it is
  is_paper INTEGER NOT NULL CHECK (is_paper IN (0, 1)),
  source TEXT NOT NULL,
  -- the identifier under which the EMR has it once, however often it is sent
  uid TEXT NOT NULL,
  state TEXT NOT NULL,
  -- why it is not there yet
  reason TEXT,
  -- the same in the EMR's own words
  words TEXT NOT NULL,
  -- what the EMR has of it: its conversation, its files, and the message itself
  part_of TEXT NOT NULL,
  documents TEXT NOT NULL,
  resource TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  state_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX emr_writes_once ON emr_writes (message_id, source, is_paper);
