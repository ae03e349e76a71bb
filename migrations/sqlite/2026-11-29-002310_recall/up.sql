-- A message that the patient has not opened can be taken back: its text stays for users, with who took it back and when. What
-- was opened is corrected by another message. What a patient's list shows of a message counts as opened.
ALTER TABLE messages ADD COLUMN listed_at INTEGER;
ALTER TABLE messages ADD COLUMN recalled_at INTEGER;
ALTER TABLE messages ADD COLUMN recalled_by INTEGER REFERENCES users (id);
ALTER TABLE messages ADD COLUMN corrects_id INTEGER REFERENCES messages (id);
CREATE INDEX messages_corrects ON messages (corrects_id) WHERE corrects_id IS NOT NULL;
-- nothing of the conversation is left for its patient
ALTER TABLE conversations ADD COLUMN recalled_at INTEGER;
-- the notices that the clinic has chosen to send besides those of messages: words, separated by spaces
ALTER TABLE clinic ADD COLUMN notices TEXT NOT NULL DEFAULT 'recall';
