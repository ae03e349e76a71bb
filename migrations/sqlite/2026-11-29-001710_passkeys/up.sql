-- a key on a user's device (Web Authentication); what is stored of it is public
CREATE TABLE passkeys (
  id INTEGER PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users (id),
  credential_id BLOB NOT NULL UNIQUE,
  -- by what devices know the user: the same for all passkeys of one
  handle BLOB NOT NULL,
  name TEXT NOT NULL,
  credential TEXT NOT NULL,
  added_at INTEGER NOT NULL,
  used_at INTEGER
) STRICT;
CREATE INDEX passkeys_user ON passkeys (user_id, id);

-- what an answer of a device is checked against; it is used up by the first one
CREATE TABLE passkey_challenges (
  token_hash BLOB PRIMARY KEY NOT NULL,
  user_id INTEGER REFERENCES users (id),
  purpose TEXT NOT NULL,
  state TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX passkey_challenges_user ON passkey_challenges (user_id);
CREATE INDEX passkey_challenges_expiry ON passkey_challenges (expires_at);
