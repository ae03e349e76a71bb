//! A type of identity for each table, so that the compiler keeps them apart.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::BigInt;

macro_rules! id {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, AsExpression, FromSqlRow,
                 serde::Serialize, serde::Deserialize)]
        #[diesel(sql_type = BigInt)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl From<$name> for i64 {
            fn from(id: $name) -> i64 {
                id.0
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
        impl<DB: Backend> FromSql<BigInt, DB> for $name
        where
            i64: FromSql<BigInt, DB>,
        {
            fn from_sql(raw: DB::RawValue<'_>) -> deserialize::Result<Self> {
                i64::from_sql(raw).map($name)
            }
        }
        impl<DB: Backend> ToSql<BigInt, DB> for $name
        where
            i64: ToSql<BigInt, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                <i64 as ToSql<BigInt, DB>>::to_sql(&self.0, out)
            }
        }
    )+};
}

id! {
    /// A row of `users`.
    UserId,
    /// A row of `teams`.
    TeamId,
    /// A row of `account_mails`.
    AccountMailId,
    /// A row of `passkeys`.
    PasskeyId,
    /// A row of `patients`.
    PatientId,
    /// A row of `chart_items`.
    ChartItemId,
    /// A row of `conversations`.
    ConversationId,
    /// A row of `messages`.
    MessageId,
    /// A row of `notifications`.
    NotificationId,
    /// A row of `message_templates`.
    TemplateId,
    /// A row of `plan_steps`.
    PlanStepId,
    /// A row of `letters`.
    LetterId,
    /// A row of `portal_links`.
    LinkId,
    /// A row of `jobs`.
    JobId,
    /// A row of `audit_events`.
    AuditEventId,
    /// A row of `blobs`.
    BlobId,
    /// A row of `uploads`.
    UploadId,
    /// A row of `scheduled_messages`.
    ScheduledId,
    /// A row of `broadcasts`.
    BroadcastId,
    /// A row of `broadcast_recipients`.
    RecipientId,
    /// A row of `saved_views`.
    SavedViewId,
    /// A row of `caregivers`.
    CaregiverId,
    /// A row of `emr_writes`.
    EmrWriteId,
}
