-- The file of a chart item, where it has one.
CREATE TABLE chart_files (
  item_id BIGINT PRIMARY KEY REFERENCES chart_items (id),
  blob_id BIGINT NOT NULL REFERENCES blobs (id),
  file_name TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size BIGINT NOT NULL
);
CREATE INDEX chart_files_blob ON chart_files (blob_id);

-- Whom a file names: patients by their date of birth.
CREATE INDEX patients_birth_date ON patients (birth_date, id);
