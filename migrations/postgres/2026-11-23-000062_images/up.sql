-- the clinic's logo, and what stands behind the portal's pages: made anew by us from what was uploaded
CREATE TABLE clinic_images (
  kind TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  media_type TEXT NOT NULL,
  bytes BYTEA NOT NULL
);
-- their names, which change with their content: addresses may be kept for ever; empty: none
ALTER TABLE clinic ADD COLUMN logo TEXT NOT NULL DEFAULT '';
ALTER TABLE clinic ADD COLUMN background TEXT NOT NULL DEFAULT '';
