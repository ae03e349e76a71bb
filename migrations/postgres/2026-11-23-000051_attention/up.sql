-- few conversations need attention: an index of those alone is found by both planners
DROP INDEX conversations_attention;
CREATE INDEX conversations_attention ON conversations (last_message_at, id) WHERE attention IS NOT NULL;
