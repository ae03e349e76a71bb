-- who has not signed in for long is no longer there, or needs no account
ALTER TABLE users ADD COLUMN signed_in_at INTEGER;
