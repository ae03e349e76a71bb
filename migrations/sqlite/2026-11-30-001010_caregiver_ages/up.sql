-- The patient's ages at which a parent's access is looked at, and ends by itself. No row, or 0: at none.
CREATE TABLE caregiver_ages (
  id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
  look_age INTEGER NOT NULL CHECK (look_age BETWEEN 0 AND 150),
  end_age INTEGER NOT NULL CHECK (end_age BETWEEN 0 AND 150)
) STRICT;
