-- who a user is at an identity provider (OpenID Connect): by issuer and subject, never by an address
CREATE TABLE provider_links (
  user_id BIGINT PRIMARY KEY NOT NULL REFERENCES users (id),
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,
  linked_at TIMESTAMPTZ NOT NULL,
  used_at TIMESTAMPTZ,
  UNIQUE (issuer, subject)
);

-- who was sent to the provider and is not back yet: the first answer uses it up
CREATE TABLE provider_visits (
  state_hash BYTEA PRIMARY KEY NOT NULL,
  -- the browser that began
  browser_hash BYTEA NOT NULL,
  nonce_hash BYTEA NOT NULL,
  purpose TEXT NOT NULL,
  -- whose link it is to be, or who is to say once more who they are
  user_id BIGINT REFERENCES users (id),
  -- the invitation by which they came
  invitation_hash BYTEA,
  next TEXT NOT NULL,
  begun_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX provider_visits_user ON provider_visits (user_id);
CREATE INDEX provider_visits_expiry ON provider_visits (expires_at);
