//! Which columns are sealed. Each column of this list has a type of its own, so that only [`super`] reads or writes it;
//! the invariant `sealed_columns` asks for a reason for every text column that is not here.

/// A sealed column.
pub trait Column: Send + Sync + 'static {
    /// `table.column`: bound into what is sealed, so that it cannot be put into another column
    const NAME: &'static str;
}

/// A sealed column whose row belongs to the same owner permanently: the owner's identity is bound into what is sealed
/// too, so that the text cannot be put into a row of another owner.
pub trait Owned: Column {}

/// A sealed column whose rows may change owner, as when a chart is merged.
pub trait Free: Column {}

/// The sealed columns of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// the table
    pub table: &'static str,
    /// its sealed columns
    pub columns: &'static [&'static str],
    /// the columns that identify a row
    pub keys: &'static [&'static str],
    /// whether its texts are words of a search index, and not text to be read
    pub terms: bool,
    /// the column with the owner of a row, where the owner never changes
    pub owner: Option<&'static str>,
}

macro_rules! sealed_columns {
    ($($table:ident ($($key:ident),+) $owner:tt { $($column:ident: $marker:ident),+ $(,)? })+) => {
        $(sealed_columns!(@table $table $owner $($column: $marker)+);)+
        /// The names of all sealed columns.
        pub(super) const NAMES: &[&str] = &[$($($marker::NAME),+),+];
        /// Every sealed column of text, by table.
        pub const PLACES: &[Place] = &[$(Place {
            table: stringify!($table),
            columns: &[$(stringify!($column)),+],
            keys: &[$(stringify!($key)),+],
            terms: false,
            owner: sealed_columns!(@name $owner),
        }),+];
    };
    (@table $table:ident $owner:tt $($column:ident: $marker:ident)+) => {$(
        #[doc = concat!("`", stringify!($table), ".", stringify!($column), "`")]
        #[derive(Debug, Clone, Copy)]
        pub struct $marker;
        impl Column for $marker {
            const NAME: &'static str = concat!(stringify!($table), ".", stringify!($column));
        }
        sealed_columns!(@owner $marker $owner);
    )+};
    (@owner $marker:ident [$owner:ident]) => { impl Owned for $marker {} };
    (@owner $marker:ident []) => { impl Free for $marker {} };
    (@name [$owner:ident]) => { Some(stringify!($owner)) };
    (@name []) => { None };
}

/// The words of the indexes of chart items and of messages: see [`super::terms`].
pub(super) const TERMS: [Place; 2] = [
    Place {
        table: "chart_item_terms",
        columns: &["term"],
        keys: &["patient_id", "term", "item_id"],
        terms: true,
        owner: None,
    },
    Place { table: "search_words", columns: &["term"], keys: &["id"], terms: true, owner: None },
];

// table (columns that identify a row) [owner that never changes] { sealed columns }
sealed_columns! {
    conversations (id) [] { title: ConversationTitle }
    messages (id) [conversation_id] { body_source: MessageSource, body_html: MessageHtml }
    reply_drafts (conversation_id) [conversation_id] { body: ReplyDraft }
    caregiver_drafts (conversation_id, caregiver_id) [conversation_id] { body: CaregiverDraft }
    drafts (user_id, patient_id) [user_id] { form: DraftForm }
    conversation_drafts (user_id, conversation_id, writing) [user_id] { form: ConversationDraftForm }
    scheduled_messages (id) [] { form: ScheduledFormText }
    broadcasts (id) [] { title: BroadcastTitle, form: BroadcastForm }
    broadcast_drafts (user_id) [user_id] { form: BroadcastDraftForm }
    kept_forms (user_id, page) [user_id] { form: KeptFormText }
    saved_views (id) [user_id] { name: SavedViewName }
    letters (id) [conversation_id] { recipient: LetterRecipient }
    postal_addresses (patient_id) [] {
        street: PostalStreet,
        city: PostalCity,
        region: PostalRegion,
        postal_code: PostalCode,
        country: PostalCountry,
    }
    own_words (patient_id) [] { agreed: OwnWordText }
    phone_calls (id) [conversation_id] { note: PhoneCallNote }
    record_holds (patient_id) [] { note: HoldNote }
    merges (id) [] { drafts: MergedDrafts }
    chart_items (id) [] {
        title: ItemTitle,
        author: ItemAuthor,
        body: ItemText,
        former_body: ItemFormerText,
        status: ItemStatus,
    }
    source_resources (id) [] { json: ResourceJson }
    chart_files (item_id) [] { file_name: ChartFileName }
    uploads (id) [] { file_name: UploadName }
    attachments (id) [] { file_name: AttachmentName }
    emr_keys (id) [] { private_key: EmrPrivateKey }
    emr_writes (id) [] { words: EmrWriteWords }
}
