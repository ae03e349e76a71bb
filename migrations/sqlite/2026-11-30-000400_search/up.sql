-- The index by which messages are found. Each different word is stored once, sealed where text is.
CREATE TABLE search_words (
  id INTEGER PRIMARY KEY,
  term TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX search_words_term ON search_words (term);
-- Which word stands in which message, and where (bits: 1 title, 2 message, 4 internal note, 8 name of a file). The word 0 stands for
-- "this message was read".
CREATE TABLE search_postings (
  word_id INTEGER NOT NULL,
  message_id INTEGER NOT NULL REFERENCES messages (id),
  parts INTEGER NOT NULL,
  PRIMARY KEY (word_id, message_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX search_postings_message ON search_postings (message_id, word_id);
-- Up to which message all have been read, and by which rule. One row at most, which whoever writes the index locks.
CREATE TABLE search_progress (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  message_id INTEGER NOT NULL,
  rule INTEGER NOT NULL
) STRICT;
