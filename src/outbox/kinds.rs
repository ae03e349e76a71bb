//! Every kind of job: the row that it is about, the lane in which it is worked, and when it is given up.

use crate::db::{
    AccountMailId, BlobId, BroadcastId, ConversationId, EmrWriteId, LinkId, NotificationId, PlanStepId, ScheduledId,
    TeamId, Ts, UserId,
};
use crate::text_enum;
use time::Duration;

text_enum! {
    /// Jobs that are claimed together, apart from all others: a job that hangs holds up no other lane.
    pub enum Lane {
        /// passcodes: somebody is waiting for each
        Passcodes = "passcodes",
        /// notifications by email
        Email = "email",
        /// notifications by text
        Texts = "texts",
        /// steps of plans and messages that go out later: they hand nothing over themselves
        Plans = "plans",
        /// messages to many patients, and the notifications of these: nobody else's waits behind them
        Many = "many",
        /// email to the clinic's own users
        Staff = "staff",
        /// files for the virus scanner, which may take its time
        Scans = "scans",
        /// messages for the records of EMRs, which may be away for long
        Emr = "emr",
    }
}

/// When a failing job is not tried any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUp {
    /// this long after it was requested
    After(Duration),
    /// after this many attempts
    Tries(i64),
    /// never
    Never,
}

impl GiveUp {
    /// Whether this attempt is the last: the `attempts`th, at `now`, of a job that was requested at `since`.
    pub fn is_over(self, now: Ts, since: Ts, attempts: i64) -> bool {
        match self {
            GiveUp::After(limit) => now.since(since) > limit,
            GiveUp::Tries(most) => attempts >= most,
            GiveUp::Never => false,
        }
    }
}

macro_rules! tasks {
    ($($(#[$doc:meta])* $task:ident($subject:ident) = $word:literal, $lane:ident, $when:ident, $give_up:expr;)+) => {
        text_enum! {
            /// The kind of a job.
            pub enum JobKind { $($(#[$doc])* $task = $word),+ }
        }

        /// What is to be done, and about which row.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Task { $($(#[$doc])* $task($subject)),+ }

        impl Task {
            /// The task of a stored job.
            pub(super) fn from_row(kind: JobKind, subject: i64) -> Task {
                match kind { $(JobKind::$task => Task::$task($subject(subject))),+ }
            }
            /// Its kind.
            pub const fn kind(self) -> JobKind {
                match self { $(Task::$task(_) => JobKind::$task),+ }
            }
            /// The number of the row that it is about.
            pub(super) const fn subject(self) -> i64 {
                match self { $(Task::$task(subject) => subject.0),+ }
            }
        }

        impl JobKind {
            /// The lane in which it is worked, unless it was enqueued for another.
            pub const fn lane(self) -> Lane {
                match self { $(JobKind::$task => Lane::$lane),+ }
            }
            /// When it is given up.
            pub const fn give_up(self) -> GiveUp {
                match self { $(JobKind::$task => $give_up),+ }
            }
            /// Whether it is planned for a later day: such a job that waits is no sign of a queue that stands still.
            pub(super) fn is_planned(self) -> bool {
                match self { $(JobKind::$task => stringify!($when) == "planned"),+ }
            }
        }
    };
}

tasks! {
    /// make and send a passcode for this link; given up early, because a waiting patient asks again before a server
    /// recovers
    SendPasscode(LinkId) = "send_passcode", Passcodes, soon, GiveUp::Tries(3);
    /// send this notification
    SendNotification(NotificationId) = "send_notification", Email, soon, GiveUp::After(Duration::DAY);
    /// carry out this step of a plan
    FollowUp(PlanStepId) = "follow_up", Plans, planned, GiveUp::Never;
    /// send this message, which was written to go out later; until it is too late for it
    SendScheduled(ScheduledId) = "send_scheduled", Plans, planned, GiveUp::Never;
    /// see whether this conversation has the answer that was promised by now
    SeeToPromise(ConversationId) = "see_to_promise", Plans, planned, GiveUp::Never;
    /// bring the conversations of this team in step with who belongs to it
    FollowTeam(TeamId) = "follow_team", Plans, planned, GiveUp::Never;
    /// send the next of this message to many patients, a few at a time
    SendMany(BroadcastId) = "send_many", Many, planned, GiveUp::Never;
    /// tell this user that patients have answered; with the pauses of `back_off` tried for about a day
    TellStaff(UserId) = "tell_staff", Staff, planned, GiveUp::Tries(30);
    /// send this mail about a user's own account; a link for a forgotten password expires before the last attempt
    TellUser(AccountMailId) = "tell_user", Staff, soon, GiveUp::Tries(30);
    /// have the virus scanner look at this content
    ScanFile(BlobId) = "scan_file", Scans, soon, GiveUp::Never;
    /// write this message into the record of an EMR; one that is away is no sign of a queue that stands still
    WriteBack(EmrWriteId) = "write_back", Emr, planned, GiveUp::Never;
}
