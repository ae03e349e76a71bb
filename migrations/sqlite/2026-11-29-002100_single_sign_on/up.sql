-- who a user is at an identity provider (OpenID Connect): by issuer and subject, never by an address
CREATE TABLE provider_links (
  user_id INTEGER PRIMARY KEY NOT NULL REFERENCES users (id),
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,
  linked_at INTEGER NOT NULL,
  used_at INTEGER,
  UNIQUE (issuer, subject)
) STRICT;

-- who was sent to the provider and is not back yet: the first answer uses it up
CREATE TABLE provider_visits (
  state_hash BLOB PRIMARY KEY NOT NULL,
  -- the browser that began
  browser_hash BLOB NOT NULL,
  nonce_hash BLOB NOT NULL,
  purpose TEXT NOT NULL,
  -- whose link it is to be, or who is to say once more who they are
  user_id INTEGER REFERENCES users (id),
  -- the invitation by which they came
  invitation_hash BLOB,
  next TEXT NOT NULL,
  begun_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX provider_visits_user ON provider_visits (user_id);
CREATE INDEX provider_visits_expiry ON provider_visits (expires_at);
