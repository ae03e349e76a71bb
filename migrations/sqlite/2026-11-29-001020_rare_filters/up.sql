-- what is rare is found without walking past what is not
CREATE INDEX conversations_open ON conversations (last_message_at, id) WHERE closed_at IS NULL;
CREATE INDEX conversations_waiting ON conversations (last_author, last_message_at, id) WHERE closed_at IS NULL;
CREATE INDEX participants_done ON participants (user_id, unread, last_message_at, conversation_id) WHERE done_at IS NOT NULL;
CREATE INDEX notifications_state_kind ON notifications (state, kind);
CREATE INDEX notifications_state_channel ON notifications (state, channel);
CREATE INDEX notifications_channel ON notifications (channel, created_at, id);
