-- which rule made the keys that this program makes (folded names, words of an index); done_to NULL: all of them
CREATE TABLE key_renewals (
  what TEXT NOT NULL PRIMARY KEY,
  version INTEGER NOT NULL,
  done_to INTEGER
) STRICT;
