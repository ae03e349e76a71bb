-- how far the mailbox for returned mail was read: its mails are known by their numbers, and not by whether somebody has
-- opened them; the one that is being read is marked first, so that one that ends the program is not read for ever
CREATE TABLE returned_mail (
  mailbox TEXT PRIMARY KEY NOT NULL,
  validity INTEGER NOT NULL,
  done_uid INTEGER NOT NULL,
  tried_uid INTEGER NOT NULL,
  tries INTEGER NOT NULL
) STRICT;
