UPDATE notifications SET state = 'cancelled' WHERE state = 'unsure';
UPDATE notification_states SET state = 'cancelled' WHERE state = 'unsure';
UPDATE conversations SET notice_email = 'cancelled' WHERE notice_email = 'unsure';
UPDATE conversations SET notice_text = 'cancelled' WHERE notice_text = 'unsure';
ALTER TABLE notifications DROP COLUMN unsure;
