-- An older program knows of nothing that was taken back: patients must not see it again.
UPDATE messages SET internal = 1 WHERE recalled_at IS NOT NULL;
UPDATE conversations SET title = '' WHERE recalled_at IS NOT NULL;
UPDATE notifications SET state = 'cancelled', reason = 'cancelled_by_user' WHERE kind = 'recall' AND state IN ('queued', 'sending');
UPDATE notifications SET kind = 'message_waiting' WHERE kind = 'recall';
UPDATE notifications SET reason = 'cancelled_by_user' WHERE reason = 'recalled';
UPDATE notification_states SET reason = 'cancelled_by_user' WHERE reason = 'recalled';
UPDATE plan_steps SET state = 'closed' WHERE state = 'recalled';
DELETE FROM notification_templates WHERE kind = 'recall';
ALTER TABLE clinic DROP COLUMN notices;
ALTER TABLE conversations DROP COLUMN recalled_at;
DROP INDEX messages_corrects;
ALTER TABLE messages DROP COLUMN corrects_id;
ALTER TABLE messages DROP COLUMN recalled_by;
ALTER TABLE messages DROP COLUMN recalled_at;
ALTER TABLE messages DROP COLUMN listed_at;
