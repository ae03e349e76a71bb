-- Users who share work. Who belongs to a team takes part in what the team takes part in.
CREATE TABLE teams (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  name TEXT NOT NULL,
  -- the name as two teams may not share it
  name_key TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  -- since when it is given no new work
  archived_at INTEGER,
  -- counts the changes of who belongs to it; after each, its conversations are brought in step, in the order of their ids
  round INTEGER NOT NULL DEFAULT 0,
  followed_to INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE team_members (
  team_id INTEGER NOT NULL REFERENCES teams (id),
  user_id INTEGER NOT NULL REFERENCES users (id),
  PRIMARY KEY (team_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX team_members_user ON team_members (user_id, team_id);

-- In which conversations a team takes part; and where one is assigned to it, until when it is to be seen to, or the last moment there is
-- where no time was set.
CREATE TABLE conversation_teams (
  conversation_id INTEGER NOT NULL REFERENCES conversations (id),
  team_id INTEGER NOT NULL REFERENCES teams (id),
  assigned_until INTEGER,
  PRIMARY KEY (conversation_id, team_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX conversation_teams_team ON conversation_teams (team_id, conversation_id);
CREATE UNIQUE INDEX conversation_teams_assignee ON conversation_teams (conversation_id) WHERE assigned_until IS NOT NULL;

-- Whether they take part through a team alone, and until when a team of theirs is to see to it, as long as no user does.
ALTER TABLE participants ADD COLUMN by_team INTEGER NOT NULL DEFAULT 0 CHECK (by_team IN (0, 1));
ALTER TABLE participants ADD COLUMN team_until INTEGER;
CREATE INDEX participants_team ON participants (user_id, team_until, conversation_id)
  WHERE team_until IS NOT NULL AND closed_at IS NULL AND done_at IS NULL;

-- the team that came, went, or was given it; the user is then whoever did it
ALTER TABLE conversation_events ADD COLUMN team_id INTEGER REFERENCES teams (id);

-- what somebody who leaves has prepared or sends
CREATE INDEX broadcasts_user ON broadcasts (user_id, state);
