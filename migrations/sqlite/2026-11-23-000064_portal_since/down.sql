ALTER TABLE patients DROP COLUMN portal_access_since;
ALTER TABLE clinic DROP COLUMN portal_since;
