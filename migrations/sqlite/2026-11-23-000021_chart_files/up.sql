-- The file of a chart item, where it has one.
CREATE TABLE chart_files (
  item_id INTEGER PRIMARY KEY NOT NULL REFERENCES chart_items (id),
  blob_id INTEGER NOT NULL REFERENCES blobs (id),
  file_name TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size INTEGER NOT NULL
) STRICT;
CREATE INDEX chart_files_blob ON chart_files (blob_id);

-- Whom a file names: patients by their date of birth.
CREATE INDEX patients_birth_date ON patients (birth_date, id);
