//! Reads files that servers write, one resource at a time: a Bundle (R4 §2.36) of any size, a single resource, or
//! resources line by line (NDJSON, as `$export` of the Bulk Data guide gives them), each also compressed by gzip.

use std::fmt;
use std::io::{self, BufRead, BufReader, Cursor, Read};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::prepare::{Survey, Taken};
use super::version::other_release;
use super::{FhirError, ImportOptions};

/// A resource as it stands in a file.
#[derive(Debug)]
pub(super) struct Found {
    pub full_url: Option<String>,
    /// `None` where the entry is a deletion or only a response
    pub json: Option<Box<RawValue>>,
    /// `Type/id` or the address that the entry says was deleted (R4 §2.36.2, `request.method`)
    pub deleted: Option<String>,
    /// the entry itself does not have the form of one
    pub broken: bool,
}

/// What is known of a file after it was read to the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// number of entries, including empty ones
    pub entries: usize,
    /// the file is one page of several: the source has more
    pub further_pages: bool,
}

/// A file that can be read more than once: it is first checked as a whole, then imported.
pub trait Reopen {
    /// A reader at the beginning.
    ///
    /// # Errors
    /// Those of the system.
    fn reopen(&self) -> io::Result<Box<dyn Read + '_>>;
}

impl Reopen for std::path::PathBuf {
    fn reopen(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(std::fs::File::open(self)?))
    }
}

impl Reopen for Vec<u8> {
    fn reopen(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(Cursor::new(self.as_slice())))
    }
}

/// A reader of the uncompressed text, without a byte order mark.
fn open(source: &dyn Reopen) -> io::Result<Box<dyn BufRead + '_>> {
    let mut plain = BufReader::with_capacity(64 * 1024, source.reopen()?);
    let mut reader: Box<dyn BufRead> = match plain.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        true => Box::new(BufReader::with_capacity(64 * 1024, flate2::bufread::MultiGzDecoder::new(plain))),
        false => Box::new(plain),
    };
    if reader.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    Ok(reader)
}

/// Gives each resource of a file to `sink`, in the order of the file.
pub(super) fn resources(source: &dyn Reopen, sink: &mut dyn FnMut(Found)) -> Result<Outline, FhirError> {
    let mut first = open(source).map_err(FhirError::Read)?;
    let beginning = first.fill_buf().map_err(FhirError::Read)?.trim_ascii_start();
    if beginning.starts_with(b"<") {
        return Err(FhirError::Xml);
    }
    // MSH, or the headers of a batch or of a file of batches (HL7 2.5.1 §2.10.3), perhaps in MLLP framing
    let message = beginning.strip_prefix(b"\x0b").unwrap_or(beginning);
    if [b"MSH|", b"FHS|", b"BHS|"].iter().any(|begin| message.starts_with(*begin)) {
        return Err(FhirError::Hl7V2);
    }
    let mut values = serde_json::Deserializer::from_reader(first).into_iter::<Kind>();
    let kind = match values.next() {
        Some(Ok(Kind(kind))) => kind,
        Some(Err(error)) => return Err(fault(error)),
        None => return Err(FhirError::Json { line: 1, column: 0 }),
    };
    let mut outline = Outline::default();
    match kind.as_deref() {
        None => return Err(FhirError::NotFhir),
        Some("Bundle") => {
            let mut reader = serde_json::Deserializer::from_reader(open(source).map_err(FhirError::Read)?);
            let bundle = BundleSeed { sink: &mut *sink, outline: &mut outline };
            bundle.deserialize(&mut reader).map_err(fault)?;
            // further bundles, one on each line
            for value in reader.into_iter::<Box<RawValue>>() {
                read_resource(value.map_err(fault)?, sink, &mut outline)?;
            }
        }
        Some(_) => {
            let reader = open(source).map_err(FhirError::Read)?;
            for value in serde_json::Deserializer::from_reader(reader).into_iter::<Box<RawValue>>() {
                read_resource(value.map_err(fault)?, sink, &mut outline)?;
            }
        }
    }
    Ok(outline)
}

/// Reads a resource outside of a Bundle, or a Bundle among others.
fn read_resource(json: Box<RawValue>, sink: &mut dyn FnMut(Found), outline: &mut Outline) -> Result<(), FhirError> {
    let kind: Kind = serde_json::from_str(json.get()).map_err(fault)?;
    if kind.0.as_deref() == Some("Bundle") {
        let bundle = BundleSeed { sink, outline };
        return bundle.deserialize(&mut serde_json::Deserializer::from_str(json.get())).map_err(fault);
    }
    outline.entries += 1;
    sink(Found { full_url: None, json: Some(json), deleted: None, broken: false });
    Ok(())
}

/// An error of serde_json may quote the file, so only the place is kept.
fn fault(error: serde_json::Error) -> FhirError {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Io => FhirError::Read(error.into()),
        serde_json::error::Category::Data => FhirError::Shape { line, column },
        _ => FhirError::Json { line, column },
    }
}

/// The type of a resource, where it has one.
struct Kind(Option<String>);

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Outer;
        impl<'de> Visitor<'de> for Outer {
            type Value = Kind;
            fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
                to.write_str("a resource")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
                let mut kind = None;
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "resourceType" => kind = map.next_value::<Text>()?.0,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Kind(kind))
            }
        }
        from.deserialize_map(Outer)
    }
}

/// A text; `None` for a value of any other type.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(from)?;
        Ok(Text(serde_json::from_str(raw.get()).ok()))
    }
}

struct BundleSeed<'a> {
    sink: &'a mut dyn FnMut(Found),
    outline: &'a mut Outline,
}

impl<'de> DeserializeSeed<'de> for BundleSeed<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for BundleSeed<'_> {
    type Value = ();
    fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str("a Bundle")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "entry" => map.next_value_seed(Entries { sink: &mut *self.sink, outline: &mut *self.outline })?,
                "link" => {
                    let links: Box<RawValue> = map.next_value()?;
                    let links: Vec<Link> = serde_json::from_str(links.get()).unwrap_or_default();
                    self.outline.further_pages |= links.iter().any(|link| link.relation.as_deref() == Some("next"));
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Link {
    relation: Option<String>,
}

struct Entries<'a> {
    sink: &'a mut dyn FnMut(Found),
    outline: &'a mut Outline,
}

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

#[derive(Deserialize)]
struct RawEntry {
    #[serde(rename = "fullUrl", default)]
    full_url: Option<String>,
    #[serde(default)]
    resource: Option<Box<RawValue>>,
    #[serde(default)]
    request: Option<Box<RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Request {
    method: Option<String>,
    url: Option<String>,
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();
    fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str("a list of entries")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(raw) = list.next_element::<Box<RawValue>>()? {
            self.outline.entries += 1;
            let Ok(entry) = serde_json::from_str::<RawEntry>(raw.get()) else {
                (self.sink)(Found { full_url: None, json: None, deleted: None, broken: true });
                continue;
            };
            let request = entry.request.and_then(|raw| serde_json::from_str::<Request>(raw.get()).ok());
            let deleted = request.filter(|request| request.method.as_deref() == Some("DELETE"));
            let deleted = deleted.and_then(|request| entry.full_url.clone().or(request.url));
            let json = entry.resource.filter(|raw| raw.get() != "null");
            // a batch is answered by bundles in a bundle (R4 §3.1.0.11.2)
            if let Some(inner) = json.as_ref().filter(|raw| is_bundle(raw)) {
                let bundle = BundleSeed { sink: &mut *self.sink, outline: &mut *self.outline };
                if bundle.deserialize(&mut serde_json::Deserializer::from_str(inner.get())).is_err() {
                    (self.sink)(Found { full_url: None, json: None, deleted: None, broken: true });
                }
                continue;
            }
            (self.sink)(Found { full_url: entry.full_url, json, deleted, broken: false });
        }
        Ok(())
    }
}

/// Whether a resource is itself a bundle. Most are not: the first check is cheap.
fn is_bundle(raw: &RawValue) -> bool {
    raw.get().contains("\"Bundle\"")
        && serde_json::from_str::<Kind>(raw.get()).is_ok_and(|kind| kind.0.as_deref() == Some("Bundle"))
}

/// Reads a file to its end without importing anything: whether it is whole, and of the release R4.
///
/// # Errors
/// See [`FhirError`].
pub fn check(source: &dyn Reopen) -> Result<Outline, FhirError> {
    let mut other = None;
    let outline = resources(source, &mut |found| {
        if let (None, Some(json)) = (other, &found.json) {
            other = other_release(json.get());
        }
    })?;
    match other {
        Some(release) => Err(FhirError::OtherRelease(release.as_str())),
        None => Ok(outline),
    }
}

impl Survey {
    /// Reads a file to its end and notes its patients.
    ///
    /// # Errors
    /// See [`FhirError`].
    pub fn read(&mut self, source: &dyn Reopen, options: &ImportOptions) -> Result<Outline, FhirError> {
        let mut other = None;
        let outline = resources(source, &mut |found| {
            let release = found.json.as_ref().and_then(|json| other_release(json.get()));
            other = other.or(release);
            if release.is_none() {
                self.look_at(&found, options);
            }
        })?;
        match other {
            Some(release) if !self.is_one_by_one => Err(FhirError::OtherRelease(release.as_str())),
            _ => Ok(outline),
        }
    }

    /// Prepares each resource of a file.
    ///
    /// # Errors
    /// See [`FhirError`].
    pub fn each(
        &self,
        source: &dyn Reopen,
        options: &ImportOptions,
        sink: &mut dyn FnMut(Taken),
    ) -> Result<(), FhirError> {
        resources(source, &mut |found| sink(self.prepare(found, options))).map(drop)
    }
}
