-- When a user is away, and who covers for them: both days belong to it, in the clinic's time zone.
CREATE TABLE absences (
  user_id INTEGER PRIMARY KEY NOT NULL REFERENCES users (id),
  away_from TEXT NOT NULL,
  away_until TEXT NOT NULL,
  cover_id INTEGER NOT NULL REFERENCES users (id)
) STRICT;
CREATE INDEX absences_cover ON absences (cover_id);
