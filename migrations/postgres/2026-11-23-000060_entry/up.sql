-- A patient may come without a link: then it is made from what they say of themselves, and there is one for each such
-- claim, whether it is true or not.
ALTER TABLE portal_links ALTER COLUMN patient_id DROP NOT NULL;
ALTER TABLE portal_links ALTER COLUMN conversation_id DROP NOT NULL;
ALTER TABLE portal_links ALTER COLUMN notification_id DROP NOT NULL;
ALTER TABLE portal_links ADD COLUMN claim_hash BYTEA;
CREATE UNIQUE INDEX portal_links_claim ON portal_links (claim_hash);
CREATE INDEX portal_links_expiry ON portal_links (expires_at);

-- what a patient is known by besides the health number
CREATE TABLE patient_identifiers (
  patient_id BIGINT NOT NULL REFERENCES patients (id),
  kind TEXT NOT NULL,
  number TEXT NOT NULL,
  number_key TEXT NOT NULL,
  PRIMARY KEY (patient_id, kind)
);
CREATE INDEX patient_identifiers_number ON patient_identifiers (number_key, kind);

-- hours after which a patient's session ends in any case; what patients may say of themselves, words with spaces
-- between; whether patients read the names of who takes part
ALTER TABLE clinic ADD COLUMN portal_longest_hours BIGINT NOT NULL DEFAULT 12 CHECK (portal_longest_hours BETWEEN 1 AND 24);
ALTER TABLE clinic ADD COLUMN portal_identifiers TEXT NOT NULL DEFAULT 'health_number';
ALTER TABLE clinic ADD COLUMN portal_names BOOLEAN NOT NULL DEFAULT FALSE;
