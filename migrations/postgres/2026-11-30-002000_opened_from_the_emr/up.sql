-- the EMR that a visit is at; none: the identity provider
ALTER TABLE provider_visits ADD COLUMN source TEXT;

-- who a user is at an EMR (SMART App Launch): by issuer and subject, never by an address or a name
CREATE TABLE emr_links (
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,
  user_id BIGINT NOT NULL REFERENCES users (id),
  -- the name of the EMR
  source TEXT NOT NULL,
  linked_at TIMESTAMPTZ NOT NULL,
  used_at TIMESTAMPTZ,
  PRIMARY KEY (issuer, subject),
  UNIQUE (user_id, issuer)
);

-- who came from an EMR and is linked to nobody yet: by their browser
CREATE TABLE emr_newcomers (
  browser_hash BYTEA PRIMARY KEY NOT NULL,
  source TEXT NOT NULL,
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX emr_newcomers_expiry ON emr_newcomers (expires_at);
