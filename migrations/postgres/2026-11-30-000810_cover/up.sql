-- When a user is away, and who covers for them: both days belong to it, in the clinic's time zone.
CREATE TABLE absences (
  user_id BIGINT PRIMARY KEY REFERENCES users (id),
  away_from TEXT NOT NULL,
  away_until TEXT NOT NULL,
  cover_id BIGINT NOT NULL REFERENCES users (id)
);
CREATE INDEX absences_cover ON absences (cover_id);
