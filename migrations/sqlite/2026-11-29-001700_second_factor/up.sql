-- the roles whose users sign in with a second factor only: words, with spaces between
ALTER TABLE clinic ADD COLUMN second_factor_roles TEXT NOT NULL DEFAULT '';

-- a user's authenticator app (RFC 6238); the secret lies under the storage's key where there is one
CREATE TABLE authenticator_apps (
  user_id INTEGER PRIMARY KEY NOT NULL REFERENCES users (id),
  secret BLOB NOT NULL,
  -- the last step of which a code was taken: none is taken twice
  last_step INTEGER NOT NULL,
  added_at INTEGER NOT NULL
) STRICT;

-- one that is shown and counts for nothing until a code of it was typed
CREATE TABLE authenticator_setups (
  user_id INTEGER PRIMARY KEY NOT NULL REFERENCES users (id),
  secret BLOB NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;

-- each opens once: one that was used is not here any more
CREATE TABLE recovery_codes (
  user_id INTEGER NOT NULL REFERENCES users (id),
  code_hash BLOB NOT NULL,
  PRIMARY KEY (user_id, code_hash)
) STRICT, WITHOUT ROWID;

-- wrong codes since the last right one, over all addresses
CREATE TABLE second_step_tries (
  user_id INTEGER PRIMARY KEY NOT NULL REFERENCES users (id),
  wrong INTEGER NOT NULL,
  locked_until INTEGER
) STRICT;

-- who has typed the password, and has yet to take the second step
CREATE TABLE pending_sign_ins (
  token_hash BLOB PRIMARY KEY NOT NULL,
  user_id INTEGER NOT NULL REFERENCES users (id),
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX pending_sign_ins_user ON pending_sign_ins (user_id);
CREATE INDEX pending_sign_ins_expiry ON pending_sign_ins (expires_at);
