-- how far the mailbox for returned mail was read: its mails are known by their numbers, and not by whether somebody has
-- opened them; the one that is being read is marked first, so that one that ends the program is not read for ever
CREATE TABLE returned_mail (
  mailbox TEXT PRIMARY KEY NOT NULL,
  validity BIGINT NOT NULL,
  done_uid BIGINT NOT NULL,
  tried_uid BIGINT NOT NULL,
  tries BIGINT NOT NULL
);
