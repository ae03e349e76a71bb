-- what a user sent after their session had ended, for them alone; the newest of each page
CREATE TABLE kept_forms (
  user_id INTEGER NOT NULL REFERENCES users (id),
  page TEXT NOT NULL,
  action TEXT NOT NULL,
  form TEXT NOT NULL,
  kept_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, page)
) STRICT, WITHOUT ROWID;
