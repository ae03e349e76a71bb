-- Views of the inbox that a user keeps under a name of their own: at most twelve, which the row of the user holds.
CREATE TABLE saved_views (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  user_id INTEGER NOT NULL REFERENCES users (id),
  -- sealed; that no other view of the user has it is asked under the user's row
  name TEXT NOT NULL,
  -- whose conversations, which of them, and in which order
  whose TEXT NOT NULL,
  which TEXT NOT NULL,
  sorting TEXT NOT NULL,
  -- the inbox opens with it: one view of the user at most
  opens_first INTEGER NOT NULL CHECK (opens_first IN (0, 1))
) STRICT;
CREATE INDEX saved_views_user ON saved_views (user_id, id);
