DROP INDEX patients_form_key;
DROP INDEX patients_merged_into;
ALTER TABLE patients DROP COLUMN form_key;
ALTER TABLE patients DROP COLUMN merged_into;
ALTER TABLE patients DROP COLUMN archive_reason;
