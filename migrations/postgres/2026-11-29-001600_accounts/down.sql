DROP TABLE known_devices;
DROP TABLE account_mails;
ALTER TABLE password_links DROP COLUMN purpose;
