ALTER TABLE patients DROP COLUMN confirmed_phone;
ALTER TABLE patients DROP COLUMN confirmed_email;
DROP TABLE message_template_versions;
DROP TABLE message_templates;
DROP TABLE drafts;
