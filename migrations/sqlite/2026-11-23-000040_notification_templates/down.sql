DROP TABLE access_notices;
ALTER TABLE clinic DROP COLUMN tell_of_access;
ALTER TABLE clinic DROP COLUMN notify_by_name;
ALTER TABLE notifications DROP COLUMN kind;
DROP TABLE notification_templates;
