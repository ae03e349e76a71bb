//! Which columns are sealed. A column of this list has a type of its own, so that nothing but [`super`] reads or writes it;
//! the invariant `sealed_columns` asks of every other column of text why it is not here.

/// A sealed column.
pub trait Column: Send + Sync + 'static {
    /// `table.column`: bound into what is sealed, so that it cannot be put into another column
    const NAME: &'static str;
}

/// A sealed column whose row belongs to another for good: that one is bound into what is sealed too, so that it cannot be put
/// into a row of another.
pub trait Owned: Column {}

/// A sealed column whose rows change hands, as those of a chart do that is merged.
pub trait Free: Column {}

/// The sealed columns of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// the table
    pub table: &'static str,
    /// its sealed columns
    pub columns: &'static [&'static str],
    /// what tells its rows apart
    pub keys: &'static [&'static str],
    /// whether its texts are words that find something, and not text to be read
    pub terms: bool,
    /// the column that says whose a row is, where that is for good
    pub owner: Option<&'static str>,
}

macro_rules! sealed_columns {
    ($($table:ident ($($key:ident),+) $owner:tt { $($column:ident: $marker:ident),+ $(,)? })+) => {
        $(sealed_columns!(@table $table $owner $($column: $marker)+);)+
        /// The names of all.
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

/// The words that find chart items: see [`super::terms`].
pub(super) const TERMS: Place = Place {
    table: "chart_item_terms",
    columns: &["term"],
    keys: &["patient_id", "term", "item_id"],
    terms: true,
    owner: None,
};

// table (what tells its rows apart) [whose they are for good] { columns }
sealed_columns! {
    conversations (id) [] { title: ConversationTitle }
    messages (id) [conversation_id] { body_source: MessageSource, body_html: MessageHtml }
    reply_drafts (conversation_id) [conversation_id] { body: ReplyDraft }
    drafts (user_id, patient_id) [user_id] { form: DraftForm }
    conversation_drafts (user_id, conversation_id, writing) [user_id] { form: ConversationDraftForm }
    kept_forms (user_id, page) [user_id] { form: KeptFormText }
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
}
