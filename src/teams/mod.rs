//! FEATURE: teams: users who share work. What a team takes part in, its members take part in: the rows for that are written by
//! `threads`, and brought in step by `conversations` after a team has changed. Here is who belongs to which.
//!
//! Whoever changes a team locks all users first, as a deactivation does, and then the team; whoever gives a team work holds the team,
//! and then its members.

mod change;
mod follow;
mod leave;
mod rows;

pub use change::{LONGEST_NAME, MOST_MEMBERS, MOST_TEAMS, NewTeam, TeamError, add, change, hold, set_archived};
pub use follow::{followed_to, set_followed};
pub use leave::{count_alone, leave};
pub use rows::{Team, TeamLine, by_team, hold_members, hold_offered, list, members, names_of, offered, team};
