-- what a one-time link was made for: a link to an account that is new lasts longer than one for a forgotten password
ALTER TABLE password_links ADD COLUMN purpose TEXT NOT NULL DEFAULT 'invitation';

-- mail to users about their own account; user_id is empty where somebody typed an address that nobody has
CREATE TABLE account_mails (
  id INTEGER PRIMARY KEY,
  user_id INTEGER REFERENCES users (id),
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  -- where it goes, where that is not the user's present address
  to_email TEXT,
  -- which browser, for a sign-in from a new one
  device TEXT,
  created_at INTEGER NOT NULL,
  state_at INTEGER NOT NULL
) STRICT;
CREATE INDEX account_mails_user ON account_mails (user_id, kind, id);
CREATE INDEX account_mails_created ON account_mails (created_at, id);

-- browsers that a user has signed in from
CREATE TABLE known_devices (
  user_id INTEGER NOT NULL REFERENCES users (id),
  token_hash BLOB NOT NULL,
  seen_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, token_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX known_devices_seen ON known_devices (seen_at);
