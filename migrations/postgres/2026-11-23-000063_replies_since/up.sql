-- since when replies are allowed or not; NULL: since the conversation began
ALTER TABLE conversations ADD COLUMN replies_since TIMESTAMPTZ;
