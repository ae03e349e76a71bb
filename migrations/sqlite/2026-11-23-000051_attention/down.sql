DROP INDEX conversations_attention;
CREATE INDEX conversations_attention ON conversations (attention, last_message_at, id);
