//! The resources that sources sent, stored as they are: charts are made from them (see [`super::derive()`]).

use super::fhir::{Kept, KeptFile, Prepared, Shelf, SkipReason, Skipped, at_once};
use crate::db::schema::{blobs, source_files, source_mentions, source_resources};
use crate::db::sealed::{self, Opened};
use crate::db::{BlobId, Both, Conn, MultiBackend, Ts, Tx};
use crate::outbox::{self, Task};
use crate::patients::{SourceId, UNNAMED};
use crate::storage::{self, Placed, Scan};
use diesel::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The most rows of one query.
const AT_ONCE: usize = 500;

/// A file of a resource: its place in storage, or why it is missing.
#[derive(Debug)]
pub struct PlacedFile {
    /// its place in storage, and what the scanner says of it
    pub placed: Option<(Placed, Scan)>,
    /// the media type of its content; empty where that is not certain
    pub media_type: String,
    /// why the file is missing
    pub flaw: Option<SkipReason>,
}

/// The result of storing resources.
#[derive(Debug, Default)]
pub struct Staged {
    /// source and id of each patient whose chart may change
    pub touched: BTreeSet<(String, String)>,
    /// resources that were left out
    pub skipped: Skipped,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = source_resources, check_for_backend(MultiBackend))]
struct Row {
    id: i64,
    owner_source: Option<String>,
    owner_id: Option<String>,
    #[diesel(deserialize_as = Opened)]
    json: String,
    updated_at: Option<Ts>,
    delivery: i64,
    withdrawn_at: Option<Ts>,
}

impl Row {
    fn owner(&self) -> Option<(String, String)> {
        self.owner_source.clone().zip(self.owner_id.clone())
    }
}

/// Stores resources. One with the same key is replaced, unless the stored one is newer by its own date
/// (`meta.lastUpdated`), belongs to another patient, or came in this same import. A withdrawn resource stays withdrawn
/// until its source sends something newer.
pub fn stage(tx: &mut Tx, now: Ts, delivery: i64, batch: &[(Prepared, Vec<PlacedFile>)]) -> QueryResult<Staged> {
    let mut staged = Staged::default();
    for (new, files) in batch {
        let known: Option<Row> = source_resources::table
            .filter(source_resources::source.eq(&new.source))
            .filter(source_resources::source_key.eq(&new.key))
            .select(Row::as_select())
            .first(tx.conn())
            .optional()?;
        match known {
            None => add(tx, now, delivery, new, files, &mut staged)?,
            Some(known) => correct(tx, now, delivery, (new, files), &known, &mut staged)?,
        }
        if new.owner.is_none() {
            let mut names = vec![format!("{}/{}", new.source, new.key)];
            names.extend(new.full_url.clone());
            staged.touched.extend(mentioning(tx, &names)?);
        }
    }
    Ok(staged)
}

/// Leaves out of a batch what is stored already just as it comes: a poll that reads a stretch of time twice writes
/// nothing for it. The text of a resource without its files says nothing about them, but its date does.
pub fn without_unchanged(
    conn: &mut Conn,
    batch: Vec<(Prepared, Vec<PlacedFile>)>,
) -> QueryResult<Vec<(Prepared, Vec<PlacedFile>)>> {
    let mut changed = Vec::with_capacity(batch.len());
    for (new, files) in batch {
        let known: Option<Row> = source_resources::table
            .filter(source_resources::source.eq(&new.source))
            .filter(source_resources::source_key.eq(&new.key))
            .select(Row::as_select())
            .first(conn)
            .optional()?;
        let is_known = known.is_some_and(|known| match (new.withdrawn, known.withdrawn_at) {
            (true, withdrawn) => withdrawn.is_some(),
            (false, Some(_)) => false,
            (false, None) => {
                let is_dated = files.is_empty() || new.updated_at.is_some();
                is_dated && known.updated_at == new.updated_at && known.json == new.json
            }
        });
        if !is_known {
            changed.push((new, files));
        }
    }
    Ok(changed)
}

fn owner_of(new: &Prepared) -> Option<(String, String)> {
    new.owner.as_ref().map(|owner| (owner.source.clone(), owner.id.clone()))
}

fn skip(staged: &mut Staged, new: &Prepared, reason: SkipReason) {
    *staged.skipped.entry((new.kind.clone(), reason)).or_default() += 1;
}

fn add(
    tx: &mut Tx,
    now: Ts,
    delivery: i64,
    new: &Prepared,
    files: &[PlacedFile],
    staged: &mut Staged,
) -> QueryResult<()> {
    let owner = owner_of(new);
    if new.withdrawn {
        skip(staged, new, SkipReason::EnteredInError);
    }
    let (source, id) = owner.clone().unzip();
    // a resource that is withdrawn before it was ever sent is stored as a key without content
    let json = if new.withdrawn { "" } else { &new.json };
    let row = (
        (source_resources::source.eq(&new.source), source_resources::source_key.eq(&new.key)),
        (source_resources::full_url.eq(&new.full_url), source_resources::kind.eq(&new.kind)),
        (source_resources::owner_source.eq(source), source_resources::owner_id.eq(id)),
        (source_resources::json.eq(sealed::text(json)), source_resources::updated_at.eq(new.updated_at)),
        (source_resources::delivery.eq(delivery), source_resources::withdrawn_at.eq(new.withdrawn.then_some(now))),
    );
    let insert = diesel::insert_into(source_resources::table).values(row).returning(source_resources::id);
    let row: i64 = insert.get_result(tx.conn())?;
    put_files(tx, now, row, files)?;
    staged.touched.extend(owner);
    Ok(())
}

fn correct(
    tx: &mut Tx,
    now: Ts,
    delivery: i64,
    (new, files): (&Prepared, &[PlacedFile]),
    known: &Row,
    staged: &mut Staged,
) -> QueryResult<()> {
    let (before, owner) = (known.owner(), owner_of(new));
    if before.is_some() && owner.is_some() && before != owner {
        skip(staged, new, SkipReason::OtherPerson);
        return Ok(());
    }
    let is_newer = matches!((new.updated_at, known.updated_at), (Some(new), Some(old)) if new > old);
    let is_older = matches!((new.updated_at, known.updated_at), (Some(new), Some(old)) if new < old);
    let row = diesel::update(source_resources::table.find(known.id));
    if known.json.is_empty() && !new.withdrawn && !is_newer {
        // a withdrawn resource without content arrives: it is stored for its name, and stays withdrawn
        let (source, id) = before.clone().or(owner.clone()).unzip();
        let set = (
            (source_resources::json.eq(sealed::text(&new.json)), source_resources::full_url.eq(&new.full_url)),
            (source_resources::owner_source.eq(source), source_resources::owner_id.eq(id)),
        );
        diesel::update(source_resources::table.find(known.id)).set(set).execute(tx.conn())?;
        skip(staged, new, SkipReason::EnteredInError);
        staged.touched.extend(before.or(owner));
        return Ok(());
    }
    if is_older {
        skip(staged, new, SkipReason::Outdated);
        return Ok(());
    }
    if new.withdrawn {
        skip(staged, new, SkipReason::EnteredInError);
        if known.withdrawn_at.is_none() {
            let set = (
                source_resources::withdrawn_at.eq(Some(now)),
                source_resources::updated_at.eq(new.updated_at.or(known.updated_at)),
                source_resources::delivery.eq(delivery),
            );
            row.set(set).execute(tx.conn())?;
        }
        staged.touched.extend(before.or(owner));
        return Ok(());
    }
    if known.delivery == delivery && !is_newer {
        skip(staged, new, SkipReason::Duplicate);
        return Ok(());
    }
    if known.withdrawn_at.is_some() && !is_newer {
        skip(staged, new, SkipReason::EnteredInError);
        staged.touched.extend(before.or(owner));
        return Ok(());
    }
    let owner = before.or(owner);
    let (source, id) = owner.clone().unzip();
    let set = (
        (source_resources::full_url.eq(&new.full_url), source_resources::json.eq(sealed::text(&new.json))),
        (source_resources::owner_source.eq(source), source_resources::owner_id.eq(id)),
        (source_resources::updated_at.eq(new.updated_at.or(known.updated_at)), source_resources::delivery.eq(delivery)),
        source_resources::withdrawn_at.eq(None::<Ts>),
    );
    row.set(set).execute(tx.conn())?;
    if !files.is_empty() || known.json.contains("\"data\":\"@") {
        drop_files(tx, now, known.id)?;
        put_files(tx, now, known.id, files)?;
    }
    staged.touched.extend(owner);
    Ok(())
}

fn put_files(tx: &mut Tx, now: Ts, resource: i64, files: &[PlacedFile]) -> QueryResult<()> {
    for (file, number) in files.iter().zip(0_i64..) {
        let mut flaw = file.flaw;
        let mut blob = None;
        if let Some((placed, scan)) = &file.placed {
            let kept = storage::keep(tx, now, placed, *scan)?;
            match kept.scan {
                // the same content is known to be infected: the resource is stored without it
                Scan::Infected => {
                    storage::release(tx, now, kept.id)?;
                    flaw = Some(SkipReason::FileUnsafe);
                }
                scan => {
                    if scan == Scan::Waiting {
                        outbox::enqueue(tx, now, Task::ScanFile(kept.id), now)?;
                    }
                    blob = Some(kept.id);
                }
            }
        }
        let size = file.placed.as_ref().map_or(0, |(placed, _)| placed.size());
        let row = (
            (source_files::resource_id.eq(resource), source_files::number.eq(number), source_files::blob_id.eq(blob)),
            (source_files::media_type.eq(&file.media_type), source_files::size.eq(size)),
            source_files::flaw.eq(flaw.map(SkipReason::as_str)),
        );
        diesel::insert_into(source_files::table).values(row).execute(tx.conn())?;
    }
    Ok(())
}

/// Drops what is kept of a patient whose chart was deleted.
pub(super) fn drop_of(tx: &mut Tx, now: Ts, owner: &SourceId) -> QueryResult<()> {
    let own = source_resources::table
        .filter(source_resources::owner_source.eq(&owner.source))
        .filter(source_resources::owner_id.eq(&owner.id));
    let rows: Vec<i64> = own.select(source_resources::id).order(source_resources::id).load(tx.conn())?;
    for row in &rows {
        drop_files(tx, now, *row)?;
    }
    for rows in rows.chunks(AT_ONCE) {
        let some = source_resources::table.filter(source_resources::id.eq_any(rows.to_vec()));
        diesel::delete(some).execute(tx.conn())?;
    }
    let mentions = source_mentions::table
        .filter(source_mentions::owner_source.eq(&owner.source))
        .filter(source_mentions::owner_id.eq(&owner.id));
    diesel::delete(mentions).execute(tx.conn()).map(drop)
}

fn drop_files(tx: &mut Tx, now: Ts, resource: i64) -> QueryResult<()> {
    let own = source_files::table.filter(source_files::resource_id.eq(resource));
    let held: Vec<Option<BlobId>> = own.select(source_files::blob_id).load(tx.conn())?;
    diesel::delete(own).execute(tx.conn())?;
    for blob in held.into_iter().flatten() {
        storage::release(tx, now, blob)?;
    }
    Ok(())
}

/// Source and id of the patients whose resources refer to one of these names.
fn mentioning(conn: &mut Conn, names: &[String]) -> QueryResult<Vec<(String, String)>> {
    let same = source_mentions::table.filter(source_mentions::target.eq_any(names.to_vec()));
    same.select((source_mentions::owner_source, source_mentions::owner_id)).load(conn)
}

type Loaded = (i64, String, Option<String>, Opened, i64, Option<Ts>, (String, String, Option<String>));

macro_rules! loaded {
    ($query:expr, $conn:expr) => {{
        let columns = (
            source_resources::id,
            source_resources::source,
            source_resources::full_url,
            source_resources::json,
            source_resources::delivery,
            source_resources::withdrawn_at,
            (source_resources::kind, source_resources::source_key, source_resources::owner_id),
        );
        let rows: Vec<Loaded> = $query.select(columns).load($conn)?;
        rows
    }};
}

/// The resources of these rows.
fn of_rows(conn: &mut Conn, rows: &[i64]) -> QueryResult<Vec<Loaded>> {
    let some = source_resources::table.filter(source_resources::id.eq_any(rows.to_vec())).order(source_resources::id);
    Ok(loaded!(some, conn))
}

/// Gives the resources that are stored of a patient, with the shared resources that they refer to; only a few of them
/// are in memory at once.
pub(super) fn of_owner(tx: &mut Tx, owner: &SourceId, delivery: i64, sink: &mut dyn FnMut(&Kept)) -> QueryResult<()> {
    let own: Vec<i64> = source_resources::table
        .filter(source_resources::owner_source.eq(&owner.source))
        .filter(source_resources::owner_id.eq(&owner.id))
        .order(source_resources::id)
        .select(source_resources::id)
        .load(tx.conn())?;
    let mut seen: BTreeSet<i64> = BTreeSet::new();
    let (mut left, mut count, mut bytes) = (own.as_slice(), 0, 0);
    while !left.is_empty() {
        let (now, rest) = left.split_at_checked(at_once(count, bytes)).unwrap_or((left, &[]));
        left = rest;
        let rows = of_rows(tx, now)?;
        count += rows.len();
        bytes += rows.iter().map(|(_, _, _, json, ..)| json.0.len()).sum::<usize>();
        let mut names = Names::default();
        rows.iter().for_each(|(_, source, _, json, ..)| names.collect(source, &json.0));
        let mut targets = names.all();
        let mut found: Vec<Kept> = rows.into_iter().map(|row| kept(row, delivery)).collect();
        // twice, because a shared resource may refer to another: a role names a person
        for _ in 0..2 {
            let mut further = Names::default();
            for row in shared(tx, &names)? {
                if seen.insert(row.0) {
                    further.collect(&row.1, &row.3.0);
                    found.push(kept(row, delivery));
                }
            }
            targets.extend(further.all());
            names = further;
        }
        mention(tx, owner, &targets)?;
        give_files(tx, &mut found)?;
        found.iter().for_each(&mut *sink);
    }
    Ok(())
}

/// The stored resources, while a chart is made of them in a transaction that also writes it.
pub(super) struct Rows<'t, 'w> {
    tx: RefCell<&'t mut Tx<'w>>,
    delivery: i64,
    failed: Cell<Option<diesel::result::Error>>,
}

impl<'t, 'w> Rows<'t, 'w> {
    pub fn new(tx: &'t mut Tx<'w>, delivery: i64) -> Self {
        Self { tx: RefCell::new(tx), delivery, failed: Cell::new(None) }
    }

    /// Does something in the transaction. A resource that could not be had ends it: what was made without it is wrong.
    pub fn with<T>(&self, act: impl FnOnce(&mut Tx) -> QueryResult<T>) -> QueryResult<T> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => act(&mut self.tx.borrow_mut()),
        }
    }
}

impl Shelf for Rows<'_, '_> {
    fn fetch(&self, rows: &[i64]) -> Vec<Kept> {
        let fetch = || {
            let mut tx = self.tx.borrow_mut();
            let rows = of_rows(&mut tx, rows)?;
            let mut found: Vec<Kept> = rows.into_iter().map(|row| kept(row, self.delivery)).collect();
            give_files(&mut tx, &mut found)?;
            QueryResult::Ok(found)
        };
        fetch().unwrap_or_else(|error| {
            self.failed.set(Some(error));
            Vec::new()
        })
    }
}

fn kept((row, source, full_url, Opened(json), own, withdrawn, (kind, key, owner)): Loaded, delivery: i64) -> Kept {
    // withdrawn before it was ever sent: only its key is known
    let unseen = json.is_empty();
    let json = match unseen {
        true => serde_json::json!({"resourceType": kind, "id": key.rsplit('/').next()}).to_string(),
        false => json,
    };
    let (fresh, shared) = (own == delivery, owner.is_none());
    Kept { row, source, full_url, json, withdrawn, unseen, fresh, shared, files: Vec::new() }
}

fn mention(tx: &mut Tx, owner: &SourceId, targets: &BTreeSet<String>) -> QueryResult<()> {
    for target in targets {
        let row = (
            source_mentions::target.eq(target),
            (source_mentions::owner_source.eq(&owner.source), source_mentions::owner_id.eq(&owner.id)),
        );
        let insert = diesel::insert_into(source_mentions::table).values(row).on_conflict_do_nothing();
        Both(insert).execute(tx.conn())?;
    }
    Ok(())
}

/// The resources that others refer to: by source and `Type/id`, and by whole address.
#[derive(Default)]
struct Names {
    keys: BTreeMap<String, BTreeSet<String>>,
    addresses: BTreeSet<String>,
}

impl Names {
    /// Finds the references in the JSON of a resource. An unescaped quote before a colon can only end a key, so that
    /// words of the record are never taken for a reference.
    fn collect(&mut self, source: &str, json: &str) {
        for mark in ["\"reference\":", "\"url\":", "\"questionnaire\":"] {
            for (at, _) in json.match_indices(mark) {
                let rest = json.get(at + mark.len()..).unwrap_or_default();
                let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
                if let Some(Ok(name)) = values.next() {
                    self.add(source, &name);
                }
            }
        }
    }

    fn add(&mut self, source: &str, name: &str) {
        let name = name.trim();
        let name = name.split_once("/_history/").map_or(name, |(before, _)| before);
        let name = name.split_once('|').map_or(name, |(before, _)| before);
        if name.is_empty() || name.starts_with('#') || name.len() > 500 {
            return;
        }
        if !name.contains(':') {
            self.keys.entry(source.to_owned()).or_default().insert(name.to_owned());
            return;
        }
        self.addresses.insert(name.to_owned());
        let mut parts = name.rsplitn(3, '/');
        if let (Some(id), Some(kind), Some(base)) = (parts.next(), parts.next(), parts.next()) {
            self.keys.entry(base.to_owned()).or_default().insert(format!("{kind}/{id}"));
        }
    }

    fn all(&self) -> BTreeSet<String> {
        let keys = self.keys.iter().flat_map(|(source, keys)| keys.iter().map(move |key| format!("{source}/{key}")));
        keys.chain(self.addresses.iter().cloned()).collect()
    }
}

/// The resources of these names that belong to no patient.
fn shared(conn: &mut Conn, names: &Names) -> QueryResult<Vec<Loaded>> {
    let mut found = Vec::new();
    for (source, keys) in &names.keys {
        let keys: Vec<String> = keys.iter().cloned().collect();
        for keys in keys.chunks(AT_ONCE) {
            let free = source_resources::table
                .filter(source_resources::source.eq(source))
                .filter(source_resources::source_key.eq_any(keys.to_vec()))
                .filter(source_resources::owner_id.is_null())
                .order(source_resources::id);
            found.extend(loaded!(free, &mut *conn));
        }
    }
    let addresses: Vec<String> = names.addresses.iter().cloned().collect();
    for addresses in addresses.chunks(AT_ONCE) {
        let free = source_resources::table
            .filter(source_resources::full_url.eq_any(addresses.to_vec()))
            .filter(source_resources::owner_id.is_null())
            .order(source_resources::id);
        found.extend(loaded!(free, &mut *conn));
    }
    Ok(found)
}

/// Gives each of these resources its files.
fn give_files(conn: &mut Conn, kept: &mut [Kept]) -> QueryResult<()> {
    let with_files: Vec<i64> = kept.iter().filter(|one| one.json.contains("\"data\":\"@")).map(|one| one.row).collect();
    let mut files: HashMap<i64, Vec<KeptFile>> = HashMap::new();
    for rows in with_files.chunks(AT_ONCE) {
        let found: Vec<(i64, String, Option<String>)> = source_files::table
            .filter(source_files::resource_id.eq_any(rows.to_vec()))
            .order((source_files::resource_id, source_files::number))
            .select((source_files::resource_id, source_files::media_type, source_files::flaw))
            .load(conn)?;
        for (row, media_type, flaw) in found {
            let flaw = flaw.map(|word| SkipReason::ALL.iter().find(|one| one.as_str() == word).copied());
            let flaw = flaw.map(|known| known.unwrap_or(SkipReason::FileBroken));
            files.entry(row).or_default().push(KeptFile { media_type, flaw });
        }
    }
    kept.iter_mut().for_each(|one| one.files = files.remove(&one.row).unwrap_or_default());
    Ok(())
}

/// The patient of the same source whom a reference in a record names; `None` where the id is not valid in that source.
pub(super) fn patient_named(owner: &SourceId, reference: &str) -> Option<SourceId> {
    let reference = reference.trim();
    let reference = reference.split_once("/_history/").map_or(reference, |(before, _)| before);
    let mut parts = reference.rsplitn(3, '/');
    let (id, kind, base) = (parts.next()?, parts.next(), parts.next());
    let id = match (kind, base) {
        (None, _) => reference.strip_prefix("urn:uuid:")?,
        (Some("Patient"), None) => id,
        (Some("Patient"), Some(base)) if base == owner.source || !owner.source.contains("://") => id,
        _ => return None,
    };
    // an id without a named source may be anybody's
    (owner.source != UNNAMED && !id.is_empty()).then(|| SourceId { source: owner.source.clone(), id: id.to_owned() })
}

/// Whether another record of the same source says that it replaces this one.
pub(super) fn is_replaced(conn: &mut Conn, owner: &SourceId) -> QueryResult<bool> {
    #[derive(serde::Deserialize)]
    struct Link {
        r#type: Option<String>,
        other: Option<Other>,
    }
    #[derive(serde::Deserialize)]
    struct Other {
        reference: Option<String>,
    }
    #[derive(serde::Deserialize)]
    struct Record {
        #[serde(default)]
        link: Vec<Link>,
    }
    let naming = mentioning(conn, &[format!("{}/Patient/{}", owner.source, owner.id)])?;
    for (source, id) in naming.into_iter().filter(|(source, id)| *source == owner.source && *id != owner.id) {
        let records: Vec<Opened> = source_resources::table
            .filter(source_resources::source.eq(&source))
            .filter(source_resources::source_key.eq(format!("Patient/{id}")))
            .select(source_resources::json)
            .load(conn)?;
        let takes_its_place = |link: &Link| {
            let other = link.other.as_ref().and_then(|other| other.reference.as_deref());
            link.r#type.as_deref() == Some("replaces")
                && other.and_then(|other| patient_named(owner, other)).as_ref() == Some(owner)
        };
        let read = records.iter().filter_map(|json| serde_json::from_str::<Record>(&json.0).ok());
        if read.into_iter().any(|record| record.link.iter().any(takes_its_place)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Those of these keys under which a source's resources came with this delivery.
pub fn stored_keys(conn: &mut Conn, source: &str, delivery: i64, keys: &[String]) -> QueryResult<Vec<String>> {
    let mut found = Vec::new();
    for keys in keys.chunks(AT_ONCE) {
        let some = source_resources::table
            .filter(source_resources::source.eq(source))
            .filter(source_resources::source_key.eq_any(keys.to_vec()))
            .filter(source_resources::delivery.eq(delivery))
            .filter(source_resources::withdrawn_at.is_null());
        found.extend(some.select(source_resources::source_key).load::<String>(conn)?);
    }
    Ok(found)
}

/// The record of a patient as their source has sent it; `None` where it has not, or has taken it back.
pub(super) fn record(conn: &mut Conn, owner: &SourceId) -> QueryResult<Option<String>> {
    let own = source_resources::table
        .filter(source_resources::source.eq(&owner.source))
        .filter(source_resources::source_key.eq(format!("Patient/{}", owner.id)))
        .filter(source_resources::withdrawn_at.is_null());
    let json: Option<Opened> = own.select(source_resources::json).first(conn).optional()?;
    Ok(json.map(|json| json.0).filter(|json| !json.is_empty()))
}

/// The content of a file of a resource, and its size in bytes; `None` where the file is missing.
pub(super) fn content(conn: &mut Conn, resource: i64, number: usize) -> QueryResult<Option<(BlobId, i64)>> {
    let found: Option<(Option<BlobId>, i64, Option<String>)> = source_files::table
        .filter(source_files::resource_id.eq(resource))
        .filter(source_files::number.eq(number as i64))
        .inner_join(blobs::table)
        .select((source_files::blob_id, source_files::size, blobs::name))
        .first(conn)
        .optional()?;
    // the content is removed from storage where a virus was found in it
    Ok(found.and_then(|(blob, size, name)| Some((blob?, size)).filter(|_| name.is_some())))
}

/// The keys of this patient's withdrawn resources, and since when.
pub(super) fn withdrawn(conn: &mut Conn, owner: &SourceId) -> QueryResult<BTreeMap<String, Ts>> {
    let keys: Vec<(String, String, Option<Ts>)> = source_resources::table
        .filter(source_resources::owner_source.eq(&owner.source))
        .filter(source_resources::owner_id.eq(&owner.id))
        .filter(source_resources::withdrawn_at.is_not_null())
        .select((source_resources::source, source_resources::source_key, source_resources::withdrawn_at))
        .load(conn)?;
    Ok(keys.into_iter().filter_map(|(source, key, since)| Some((super::item_key(&source, &key), since?))).collect())
}
