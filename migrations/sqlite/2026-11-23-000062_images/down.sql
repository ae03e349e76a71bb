ALTER TABLE clinic DROP COLUMN background;
ALTER TABLE clinic DROP COLUMN logo;
DROP TABLE clinic_images;
