-- Two charts that look alike, of which a user says that they are two people's; the smaller id stands first.
CREATE TABLE distinctions (
  one_id INTEGER NOT NULL REFERENCES patients (id),
  other_id INTEGER NOT NULL REFERENCES patients (id),
  user_id INTEGER NOT NULL REFERENCES users (id),
  made_at INTEGER NOT NULL,
  PRIMARY KEY (one_id, other_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX distinctions_other ON distinctions (other_id);
CREATE INDEX distinctions_age ON distinctions (made_at);
