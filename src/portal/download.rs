//! `/portal/information/download`: all of the patient's data as one ZIP: pages that need no server, and the files.
//!
//! The archive is made page by page in a temporary file without a name, and sent from there, so that it is never whole
//! in memory.

use super::guard::{Visit, read_as, shell};
use crate::access::PortalVisit;
use crate::attachments::{self, Attachment, Content};
use crate::audit::{Actor, Entry, Event, Subject};
use crate::chart::document;
use crate::conversations::{self, Author, MessageRow, OneTap, PatientRow, PatientThread};
use crate::db::{Conn, ConversationId, DbError, MessageId, Ts};
use crate::error::AppError;
use crate::http::{Head, Shell};
use crate::patients::{self, IdKind, Patient};
use crate::state::AppState;
use crate::storage::{Served, Storage};
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH};
use actix_web::{HttpResponse, web};
use askama::Template;
use futures_util::stream;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use zip::CompressionMethod::Stored;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Conversations that are read at once.
const AT_ONCE: i64 = 50;
/// Bytes that are sent at once.
const CHUNK: usize = 64 * 1024;

#[derive(Template)]
#[template(path = "documents/mine.html")]
struct MinePage<'a> {
    shell: &'a Shell,
    style: &'static str,
    patient: &'a Patient,
    identifiers: &'a [(IdKind, String)],
    rows: &'a [PatientRow],
}

#[derive(Template)]
#[template(path = "documents/conversation.html")]
struct ConversationPage<'a> {
    shell: &'a Shell,
    style: &'static str,
    thread: &'a PatientThread,
    messages: &'a [MessageRow],
}

impl ConversationPage<'_> {
    /// Who wrote a message that came from the portal.
    fn writer(&self, message: &MessageRow) -> String {
        self.thread.writer(message, &self.shell.lang)
    }

    /// An answer with one tap, in words.
    fn answered_words(&self, message: &MessageRow, answer: &OneTap, at: &Ts) -> String {
        self.thread.answered(message, (*answer, self.shell.moment(at)), &self.shell.lang)
    }

    /// A file's address relative to the page, with characters escaped that an address cannot hold.
    fn address(&self, file: &Attachment) -> String {
        let place = place_of(self.thread.number, file);
        place
            .split('/')
            .map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string())
            .collect::<Vec<_>>()
            .join("/")
    }
}

pub async fn show(state: web::Data<AppState>, head: Head, visit: Visit) -> Result<HttpResponse, AppError> {
    let patient = visit.0.patient();
    let mut response = HttpResponse::Ok();
    response
        .content_type("application/zip")
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"messages.zip\""));
    if head.is_probe {
        let (reader, db) = (visit.0.clone(), &state.db);
        let is_open = db.read(move |conn| -> Result<_, AppError> { Ok(reader.is_open(conn)?) });
        return if is_open.await? { Ok(response.finish()) } else { Err(AppError::NotFound) };
    }
    let reader = visit.0.clone();
    let storage = state.intake.storage.clone();
    let to_serve = storage.clone();
    let packed = loop {
        let (head, visit, to_serve) = (head.clone(), visit.0.clone(), to_serve.clone());
        let now = head.now;
        let read = state.db.read(move |conn| -> Result<_, AppError> {
            // where the portal is off or access was withdrawn, nothing is handed out
            if !visit.is_open(conn)? {
                return Err(AppError::NotFound);
            }
            let (shell, _) = shell(conn, &head, None)?;
            pages(conn, &shell, &visit, &to_serve)
        });
        let mut pages = read.await?;
        let unread = std::mem::take(&mut pages.unread);
        // the files are added without holding a database connection: they may be large
        let storage = storage.clone();
        let packed = web::block(move || add_files(pages, &storage)).await.map_err(|_| failed("no thread"))??;
        // who has everything has opened everything; what was taken back since it was read is not handed out
        let opening = reader.clone();
        let open = state.db.write(move |tx| -> Result<_, NotOpened> {
            for (conversation, messages) in &unread {
                if !conversations::open(tx, now, &opening, *conversation, messages)? {
                    return Err(NotOpened::TakenBack);
                }
            }
            Ok(())
        });
        match open.await {
            Ok(()) => break packed,
            Err(NotOpened::TakenBack) => {}
            Err(NotOpened::Db(cause)) => return Err(cause.into()),
        }
    };
    let (file, length) = packed;
    let trace = Entry::of_patient(
        Actor::at_portal(patient, visit.0.caregiver()),
        Event::EverythingDownloaded,
        patient,
        Subject::None,
    );
    state.record(trace).await?;
    Ok(response.insert_header((CONTENT_LENGTH, length)).streaming(chunks(file)))
}

/// Why an archive is not handed out; then nothing in it counts as opened.
enum NotOpened {
    /// something in it was taken back since
    TakenBack,
    /// the database
    Db(DbError),
}

impl From<DbError> for NotOpened {
    fn from(cause: DbError) -> NotOpened {
        NotOpened::Db(cause)
    }
}
crate::from_database!(NotOpened);

fn failed(cause: impl std::fmt::Display) -> AppError {
    AppError::Internal(format!("the archive could not be written: {cause}"))
}

/// An unfinished archive: it has its pages, and a list of the files to add.
struct Archive {
    zip: ZipWriter<BufWriter<File>>,
    files: Vec<(String, Served)>,
    /// the messages that the patient has not opened before, by conversation
    unread: Vec<(ConversationId, Vec<MessageId>)>,
}

/// The pages of the archive, in a file without a name.
fn pages(conn: &mut Conn, shell: &Shell, visit: &PortalVisit, storage: &Storage) -> Result<Archive, AppError> {
    let zip = ZipWriter::new(BufWriter::new(tempfile::tempfile().map_err(failed)?));
    let mut archive = Archive { zip, files: Vec::new(), unread: Vec::new() };
    let patient = read_as(conn, visit)?;
    let identifiers = patients::identifiers(conn, patient.id)?;
    let mut rows: Vec<PatientRow> = Vec::new();
    let mut after = None;
    loop {
        let page = conversations::patient_inbox(conn, visit, after, AT_ONCE)?;
        let more = page.len() as i64 == AT_ONCE;
        after = page.last().map(|row| (row.last_message_at, row.number));
        for row in page {
            // one that was taken back since the list was read has no page, and no line
            if conversation(conn, shell, (visit, storage), row.number, &mut archive)? {
                rows.push(row);
            }
        }
        if !more {
            break;
        }
    }
    // in one order, so that two who lock them do not wait for each other
    archive.unread.sort_unstable();
    let index = MinePage { shell, style: document::STYLE, patient: &patient, identifiers: &identifiers, rows: &rows };
    add(&mut archive.zip, "index.html", index.render()?.as_bytes())?;
    Ok(archive)
}

/// Puts the files beside the pages. Gives the archive, from its beginning, and its length in bytes.
fn add_files(archive: Archive, storage: &Storage) -> Result<(File, u64), AppError> {
    let Archive { mut zip, files, .. } = archive;
    for (name, file) in files {
        // most files are compressed already
        zip.start_file(name, SimpleFileOptions::default().compression_method(Stored).large_file(true))
            .map_err(failed)?;
        let mut reading = storage.read_now(&file, 0..file.size()).map_err(failed)?;
        io::copy(&mut reading, &mut zip).map_err(failed)?;
    }
    let mut file = zip.finish().map_err(failed)?.into_inner().map_err(failed)?;
    let length = file.seek(io::SeekFrom::End(0)).map_err(failed)?;
    file.rewind().map_err(failed)?;
    Ok((file, length))
}

/// A file's path in the archive. Its number keeps apart two files of the same name.
fn place_of(conversation: i64, file: &Attachment) -> String {
    format!("files/{conversation}-{}-{}", file.number, file.file_name)
}

/// Adds the page of a conversation and its files; `false` where there is no such conversation.
fn conversation(
    conn: &mut Conn,
    shell: &Shell,
    (visit, storage): (&PortalVisit, &Storage),
    number: i64,
    archive: &mut Archive,
) -> Result<bool, AppError> {
    let mut before: Option<MessageId> = None;
    let mut messages: Vec<MessageRow> = Vec::new();
    let thread = loop {
        let Some(mut thread) = conversations::patient_thread(conn, visit, number, before)? else { return Ok(false) };
        let mut page = std::mem::take(&mut thread.messages);
        page.append(&mut messages);
        messages = page;
        before = thread.earlier;
        if before.is_none() {
            break thread;
        }
    };
    for file in messages.iter().flat_map(|message| &message.files) {
        let found = attachments::for_patient(conn, visit, number, file.number, Content::File)?;
        // a file that may not be sent is named on the page, with the reason
        let served = found.and_then(|(file, blob)| Some((place_of(number, &file), storage.served(blob).ok()?)));
        archive.files.extend(served);
    }
    let unread = messages.iter().filter(|m| m.author != Author::Patient && m.read_by_patient_at.is_none());
    let unread: Vec<MessageId> = unread.map(|message| message.id).collect();
    if !unread.is_empty() {
        archive.unread.push((thread.id, unread));
    }
    let page = ConversationPage { shell, style: document::STYLE, thread: &thread, messages: &messages };
    add(&mut archive.zip, &format!("conversation-{number}.html"), page.render()?.as_bytes())?;
    Ok(true)
}

fn add(zip: &mut ZipWriter<BufWriter<File>>, name: &str, bytes: &[u8]) -> Result<(), AppError> {
    zip.start_file(name, SimpleFileOptions::default()).map_err(failed)?;
    zip.write_all(bytes).map_err(failed)
}

/// A file piece by piece, read away from the actix workers.
fn chunks(file: File) -> impl futures_util::Stream<Item = io::Result<web::Bytes>> {
    stream::unfold(Some(file), |file| async move {
        let mut file = file?;
        let read = web::block(move || {
            let mut bytes = Vec::with_capacity(CHUNK);
            let count = (&mut file).take(CHUNK as u64).read_to_end(&mut bytes)?;
            Ok::<_, io::Error>((count > 0).then(|| (web::Bytes::from(bytes), file)))
        });
        match read.await {
            Ok(Ok(Some((bytes, file)))) => Some((Ok(bytes), Some(file))),
            Ok(Ok(None)) => None,
            Ok(Err(cause)) => Some((Err(cause), None)),
            Err(_) => Some((Err(io::Error::other("no thread")), None)),
        }
    })
}
