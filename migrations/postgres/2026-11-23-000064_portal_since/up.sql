-- since when the portal is on or off, and a patient's access to it; NULL: since the beginning
ALTER TABLE clinic ADD COLUMN portal_since TIMESTAMPTZ;
ALTER TABLE patients ADD COLUMN portal_access_since TIMESTAMPTZ;
