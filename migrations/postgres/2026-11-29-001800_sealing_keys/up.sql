-- the keys that text of this database may be sealed with; an empty key_id: text in clear. all_text: the key has sealed all
CREATE TABLE sealing_keys (
  key_id TEXT NOT NULL PRIMARY KEY,
  all_text BOOLEAN NOT NULL
);
