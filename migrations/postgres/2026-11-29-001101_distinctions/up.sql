-- Two charts that look alike, of which a user says that they are two people's; the smaller id stands first.
CREATE TABLE distinctions (
  one_id BIGINT NOT NULL REFERENCES patients (id),
  other_id BIGINT NOT NULL REFERENCES patients (id),
  user_id BIGINT NOT NULL REFERENCES users (id),
  made_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (one_id, other_id)
);
CREATE INDEX distinctions_other ON distinctions (other_id);
CREATE INDEX distinctions_age ON distinctions (made_at);
