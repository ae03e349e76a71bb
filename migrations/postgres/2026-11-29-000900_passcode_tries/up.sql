-- Wrong tries and passcodes asked for are counted over all passcodes of a link, for a day from the first.
ALTER TABLE passcodes ADD COLUMN wrong_tries BIGINT NOT NULL DEFAULT 0;
ALTER TABLE passcodes ADD COLUMN asked BIGINT NOT NULL DEFAULT 0;
ALTER TABLE passcodes ADD COLUMN counted_since TIMESTAMPTZ;

-- A claim that is made again has another address, and the page that is open keeps its own.
CREATE TABLE claim_tokens (
  token_hash BYTEA PRIMARY KEY,
  link_id BIGINT NOT NULL REFERENCES portal_links (id),
  created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX claim_tokens_link ON claim_tokens (link_id);

-- so many passcodes a day go to one patient
ALTER TABLE clinic ADD COLUMN passcodes_a_day BIGINT NOT NULL DEFAULT 20 CHECK (passcodes_a_day BETWEEN 3 AND 100);
