//! Attachments (R4 §2.24.0.5): decodes the data, or finds them in a Binary (R4 §2.41) of the bundle.

use data_encoding::BASE64_NOPAD;

use super::chart::{At, Chart, Draft};
use super::slim::TAKEN_OUT;
use super::types::{Attachment, non_empty, single_line};
use super::{ImportedFile, SkipReason};
use crate::chart::import::programs::{is_named_as_program, is_program, is_typed_as_program};
use crate::chart::item::{Caption, ItemKind, Label};

/// Decodes Base64 as FHIR has it (white space allowed, R4 §2.24.0.1); `None` where it is empty or not Base64.
fn decode(data: &str) -> Option<Vec<u8>> {
    let packed: Vec<u8> = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let end = packed.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let bytes = BASE64_NOPAD.decode(packed.get(..end)?).ok()?;
    (!bytes.is_empty()).then_some(bytes)
}

/// The file of an attachment, or why there is none; `None` where the attachment has neither data nor address.
/// `fallback` names the file where the record does not.
pub(super) fn file(
    chart: &mut Chart,
    at: At,
    attachment: &Attachment,
    fallback: &str,
) -> Result<Option<ImportedFile>, SkipReason> {
    let declared = attachment.content_type.as_deref();
    let title = attachment.title.as_deref().and_then(non_empty).unwrap_or_else(|| fallback.to_owned());
    // only the name and the declared type are checked here; the content is checked too
    if is_named_as_program(&title) || declared.is_some_and(is_typed_as_program) {
        return Err(SkipReason::FileProgram);
    }
    let (holder, data, declared) = match (&attachment.data, &attachment.url) {
        (Some(data), _) => (at, data.as_str(), declared),
        (None, Some(url)) => {
            let (binary, holder) = chart.binary(at, url).ok_or(SkipReason::FileElsewhere)?;
            let data = binary.data.as_deref().ok_or(SkipReason::FileBroken)?;
            (holder, data, declared.or(binary.content_type.as_deref()))
        }
        (None, None) => return Ok(None),
    };
    // storage holds the file, and its content was checked when it was put there
    if let Some(number) = data.strip_prefix(TAKEN_OUT) {
        let number: usize = number.parse().map_err(|_| SkipReason::FileBroken)?;
        let (Some(row), Some(kept)) = (holder.entry.row, holder.entry.files.get(number)) else {
            return Err(SkipReason::FileBroken);
        };
        if let Some(flaw) = kept.flaw {
            return Err(flaw);
        }
        let content_type = Some(kept.media_type.clone()).filter(|found| !found.is_empty());
        let name = file_name(&title, content_type.as_deref().unwrap_or_default());
        let content_type = content_type.unwrap_or_else(|| "application/octet-stream".to_owned());
        return Ok(Some(ImportedFile { name, content_type, data: Vec::new(), stored: Some((row, number)) }));
    }
    let data = decode(data).ok_or(SkipReason::FileBroken)?;
    if is_program(&data) {
        return Err(SkipReason::FileProgram);
    }
    let content_type = content_type(declared);
    Ok(Some(ImportedFile { name: file_name(&title, &content_type), content_type, data, stored: None }))
}

/// `type/subtype` in lower case without parameters (RFC 6838 §4.2 names), else "application/octet-stream".
fn content_type(declared: Option<&str>) -> String {
    let essence = declared.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let name = |part: &str| {
        !part.is_empty()
            && part.len() <= 127
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    match essence.split_once('/') {
        Some((kind, sub)) if name(kind) && name(sub) => essence,
        _ => "application/octet-stream".to_owned(),
    }
}

/// A name without paths, with the ending of a usual type; the ending alone where neither file nor record has a name.
fn file_name(title: &str, content_type: &str) -> String {
    let safe: String = title.chars().map(|c| if r#"/\:*?"<>|"#.contains(c) { '-' } else { c }).collect();
    let safe = single_line(&safe, 115);
    let safe = safe.trim_start_matches('.').trim();
    let endings: &[&str] = match content_type {
        "application/pdf" => &["pdf"],
        "image/jpeg" => &["jpg", "jpeg", "jfif"],
        "image/png" => &["png"],
        "image/gif" => &["gif"],
        "image/webp" => &["webp"],
        "image/heic" => &["heic", "heif"],
        "image/tiff" => &["tif", "tiff"],
        "image/bmp" => &["bmp"],
        "text/plain" => &["txt"],
        "text/csv" => &["csv"],
        "text/html" => &["html", "htm"],
        "text/rtf" | "application/rtf" => &["rtf"],
        "text/xml" | "application/xml" => &["xml"],
        "application/msword" => &["doc"],
        "application/vnd.ms-excel" => &["xls"],
        "application/vnd.ms-powerpoint" => &["ppt"],
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => &["docx"],
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => &["xlsx"],
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => &["pptx"],
        "application/vnd.oasis.opendocument.text" => &["odt"],
        "application/vnd.oasis.opendocument.spreadsheet" => &["ods"],
        "application/vnd.oasis.opendocument.presentation" => &["odp"],
        "audio/mpeg" => &["mp3"],
        "audio/mp4" => &["m4a"],
        "audio/aac" => &["aac"],
        "audio/wav" => &["wav"],
        "audio/ogg" => &["ogg"],
        "audio/flac" => &["flac"],
        "video/mp4" => &["mp4"],
        "application/dicom" => &["dcm"],
        _ => &[],
    };
    let ending = safe.rsplit_once('.').filter(|(before, _)| !before.is_empty()).map(|(_, ending)| ending);
    let is_one = |ending: &str| matches!(ending.len(), 2..=4) && ending.bytes().all(|b| b.is_ascii_alphanumeric());
    let fits = |ending: &str| endings.iter().any(|one| one.eq_ignore_ascii_case(ending));
    match (ending, endings.first()) {
        // a name with an ending that is not its content's would open in the wrong program
        (Some(ending), Some(_)) if fits(ending) => safe.to_owned(),
        (Some(ending), None) if is_one(ending) => safe.to_owned(),
        (_, Some(first)) => format!("{safe}.{first}"),
        (_, None) => safe.to_owned(),
    }
}

/// Adds an item with the first of the files, and for each further file an item of the kind "file" with the same title
/// (of the kind "letter" for those of a letter). A file that can't be read is counted; its item is added without it.
pub(super) fn add_with_files(chart: &mut Chart, at: At, mut draft: Draft, attachments: &[Attachment]) {
    let fallback = draft.title.clone().unwrap_or_default();
    let mut files = Vec::new();
    for attachment in attachments {
        match file(chart, at, attachment, &fallback) {
            Ok(file) => files.extend(file),
            Err(reason) => {
                let name = attachment.title.as_deref().and_then(non_empty).map(|title| single_line(&title, 120));
                let part = name.map_or(Caption::Label(Label::File), Caption::Text);
                chart.lacks(at, at.entry.resource.kind(), part, reason);
            }
        }
    }
    let mut files = files.into_iter();
    draft.attachment = files.next();
    let kind = if draft.kind == ItemKind::Letter { ItemKind::Letter } else { ItemKind::File };
    let (when, author) = (draft.when, draft.author.clone());
    let source_id = at.entry.source_id(at.position);
    chart.add(at, draft);
    for (file, number) in files.zip(2..) {
        let (title, author) = (Some(fallback.clone()), author.clone());
        let further = Draft { title, author, attachment: Some(file), ..Draft::new(kind, when) };
        chart.add_as(at, format!("{source_id}:{number}"), further);
    }
}
