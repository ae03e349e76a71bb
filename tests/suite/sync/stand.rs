//! An EMR in memory, as strict as those that were measured: `next` links are opaque, a page holds no more than it likes,
//! and only the history tells what was deleted. Its clock is its own.

use postern::sync::{Export, KINDS, Refusal, Source};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::sync::Mutex;
use std::sync::mpsc;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use tokio::sync::oneshot;

pub const BASE: &str = "https://emr.example/fhir";

/// The most results on a page, whatever is asked for.
const PAGE: usize = 7;

pub struct Stand {
    name: String,
    held: Mutex<Held>,
}

struct Held {
    /// oldest first
    versions: Vec<Version>,
    now: OffsetDateTime,
    asked: Vec<String>,
    /// by the number of the request
    faults: BTreeMap<usize, Refusal>,
    /// types that may not be read
    closed: Vec<&'static str>,
    hanging: Option<(usize, oneshot::Sender<()>, mpsc::Receiver<()>)>,
    /// how often an export is not ready yet; `None`: none is made
    exports: Option<usize>,
}

#[derive(Clone)]
struct Version {
    kind: String,
    id: String,
    at: OffsetDateTime,
    /// `None`: deleted
    resource: Option<Value>,
}

fn moment(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap()
}

impl Stand {
    pub fn new(name: &str) -> Stand {
        let held = Held {
            versions: Vec::new(),
            now: time::macros::datetime!(2026-03-04 13:58:00 UTC),
            asked: Vec::new(),
            faults: BTreeMap::new(),
            closed: Vec::new(),
            hanging: None,
            exports: None,
        };
        Stand { name: name.to_owned(), held: Mutex::new(held) }
    }

    /// Writes a resource, a second after what was written before.
    pub fn put(&self, resource: &Value) {
        let mut held = self.held.lock().unwrap();
        held.now += Duration::SECOND;
        let at = held.now;
        held.write(resource, at);
    }

    /// Writes a resource that says it was written earlier: it took so long to commit.
    pub fn put_late(&self, resource: &Value, late: Duration) {
        let mut held = self.held.lock().unwrap();
        let at = held.now - late;
        held.write(resource, at);
    }

    pub fn delete(&self, kind: &str, id: &str) {
        let mut held = self.held.lock().unwrap();
        held.now += Duration::SECOND;
        let at = held.now;
        held.versions.push(Version { kind: kind.to_owned(), id: id.to_owned(), at, resource: None });
    }

    /// Lets time pass.
    pub fn wait(&self, time: Duration) {
        self.held.lock().unwrap().now += time;
    }

    /// Fails the `n`th request from now, 1 being the next.
    pub fn fail(&self, n: usize, refusal: Refusal) {
        let mut held = self.held.lock().unwrap();
        let at = held.asked.len() + n;
        held.faults.insert(at, refusal);
    }

    /// Makes exports, which are not ready the first times that somebody looks.
    pub fn make_exports(&self, waits: usize) {
        self.held.lock().unwrap().exports = Some(waits);
    }

    pub fn close(&self, kind: &'static str) {
        self.held.lock().unwrap().closed.push(kind);
    }

    /// Does not answer the `n`th request from now until it is let go; says when it came.
    pub fn hang(&self, n: usize) -> (oneshot::Receiver<()>, mpsc::Sender<()>) {
        let (came, has_come) = oneshot::channel();
        let (let_go, wait) = mpsc::channel();
        let mut held = self.held.lock().unwrap();
        held.hanging = Some((held.asked.len() + n, came, wait));
        (has_come, let_go)
    }

    /// What was asked for since this was asked last.
    pub fn asked(&self) -> Vec<String> {
        let mut held = self.held.lock().unwrap();
        assert!(held.faults.is_empty() && held.hanging.is_none(), "a fault that was never met");
        std::mem::take(&mut held.asked)
    }
}

impl Held {
    /// Takes a request down, and fails it where that was planned.
    fn meet(&mut self, target: &str) -> Result<(), Refusal> {
        self.asked.push(target.to_owned());
        self.faults.remove(&self.asked.len()).map_or(Ok(()), Err)
    }

    fn write(&mut self, resource: &Value, at: OffsetDateTime) {
        let mut resource = resource.clone();
        resource["meta"]["lastUpdated"] = json!(moment(at));
        let text = |name: &str| resource[name].as_str().unwrap().to_owned();
        let (kind, id) = (text("resourceType"), text("id"));
        self.versions.push(Version { kind, id, at, resource: Some(resource) });
    }

    /// The present version of each resource of a type, in the order in which they were written.
    fn present(&self, kind: &str) -> Vec<Version> {
        let mut newest: HashMap<&str, &Version> = HashMap::new();
        for version in self.versions.iter().filter(|version| version.kind == kind) {
            newest.insert(&version.id, version);
        }
        let mut found: Vec<Version> =
            newest.into_values().filter(|version| version.resource.is_some()).cloned().collect();
        found.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        found
    }

    /// The whole history, newest first.
    fn history(&self) -> Vec<Version> {
        let mut all = self.versions.clone();
        all.sort_by_key(|version| version.at);
        all.reverse();
        all
    }

    fn page(&self, path: &str, query: &BTreeMap<String, String>, all: &[Version], kind: &str) -> Value {
        let from: usize = query.get("cursor").map_or(0, |cursor| cursor.strip_prefix("page").unwrap().parse().unwrap());
        let size = query.get("_count").map_or(PAGE, |count| count.parse::<usize>().unwrap().min(PAGE));
        let entry = |version: &Version| {
            let (kind, id) = (&version.kind, &version.id);
            let method = if version.resource.is_some() { "PUT" } else { "DELETE" };
            let mut entry = json!({"fullUrl": format!("{BASE}/{kind}/{id}")});
            if let Some(resource) = &version.resource {
                entry["resource"] = resource.clone();
            }
            if path == "_history" {
                entry["request"] = json!({"method": method, "url": format!("{kind}/{id}")});
            }
            entry
        };
        let entries: Vec<Value> = all.iter().skip(from).take(size).map(entry).collect();
        let mut bundle = json!({"resourceType": "Bundle", "type": kind, "meta": {"lastUpdated": moment(self.now)},
            "total": all.len(), "link": [{"relation": "self", "url": format!("{BASE}/{path}")}], "entry": entries});
        if from + size < all.len() {
            let mut next = url::form_urlencoded::Serializer::new(String::new());
            next.extend_pairs(query.iter().filter(|(name, _)| *name != "cursor"));
            next.append_pair("cursor", &format!("page{}", from + size));
            let next = json!({"relation": "next", "url": format!("{BASE}/{path}?{}", next.finish())});
            bundle["link"].as_array_mut().unwrap().push(next);
        }
        bundle
    }

    fn answer(&self, target: &str) -> Result<Value, Refusal> {
        let target = target.strip_prefix(BASE).map_or(target, |rest| rest.trim_start_matches('/'));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let since = |name: &str, mark: &str| {
            let text = query.get(name)?.strip_prefix(mark).expect("a mark that this server knows");
            Some(OffsetDateTime::parse(text, &Rfc3339).expect("a moment"))
        };
        if path == "metadata" {
            let resource: Vec<Value> = KINDS
                .iter()
                .map(|kind| json!({"type": kind, "interaction": [{"code": "read"}, {"code": "search-type"}]}))
                .collect();
            let rest = json!([{"mode": "server", "resource": resource, "interaction": [{"code": "history-system"}]}]);
            return Ok(json!({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": rest}));
        }
        if path == "_history" {
            let since = since("_since", "").expect("a history without an end is asked for");
            let all: Vec<Version> = self.history().into_iter().filter(|version| version.at >= since).collect();
            return Ok(self.page(path, &query, &all, "history"));
        }
        if let Some(id) = path.strip_prefix("Binary/") {
            let found = self.present("Binary").into_iter().find(|version| version.id == id);
            return found.and_then(|version| version.resource).ok_or(Refusal::Refused(404));
        }
        if self.closed.contains(&path) {
            return Err(Refusal::NotAllowed);
        }
        if !KINDS.contains(&path) {
            return Err(Refusal::Refused(404));
        }
        let mut all = self.present(path);
        if query.get("_summary").is_some_and(|summary| summary == "count") {
            return Ok(json!({"resourceType": "Bundle", "type": "searchset", "total": all.len()}));
        }
        if let Some(since) = since("_lastUpdated", "ge") {
            all.retain(|version| version.at >= since);
        }
        if let Some(ids) = query.get("_id") {
            all.retain(|version| ids.split(',').any(|id| id == version.id));
        }
        Ok(self.page(path, &query, &all, "searchset"))
    }
}

impl Source for Stand {
    fn name(&self) -> &str {
        &self.name
    }

    fn get(&self, target: &str, limit: u64) -> Result<Vec<u8>, Refusal> {
        let mut held = self.held.lock().unwrap();
        held.asked.push(target.to_owned());
        let number = held.asked.len();
        if let Some((at, came, wait)) = held.hanging.take() {
            if at == number {
                drop(held);
                let _ = came.send(());
                let _ = wait.recv();
                return Err(Refusal::Away);
            }
            held.hanging = Some((at, came, wait));
        }
        if let Some(refusal) = held.faults.remove(&number) {
            return Err(refusal);
        }
        let answer = held.answer(target)?.to_string().into_bytes();
        if answer.len() as u64 > limit { Err(Refusal::TooLarge) } else { Ok(answer) }
    }

    fn start_export(&self, kinds: &str) -> Result<Option<String>, Refusal> {
        let mut held = self.held.lock().unwrap();
        if held.exports.is_none() {
            return Ok(None);
        }
        assert_eq!(kinds, KINDS.join(","));
        held.meet("$export")?;
        Ok(Some(format!("{BASE}/export/1")))
    }

    fn look_at_export(&self, address: &str, _: u64) -> Result<Export, Refusal> {
        let mut held = self.held.lock().unwrap();
        held.meet(address)?;
        let Some(waits) = held.exports else { return Err(Refusal::Refused(404)) };
        if waits > 0 {
            held.exports = Some(waits - 1);
            return Ok(Export::Waiting(std::time::Duration::from_secs(120)));
        }
        let mut output = Vec::new();
        for kind in KINDS {
            let count = held.present(kind).len();
            // two files of each type, one of which may have no line
            for (part, count) in [(0, count / 2), (1, count - count / 2)] {
                if count > 0 {
                    output.push(json!({"type": kind, "url": format!("{BASE}/export/1/{kind}.{part}"), "count": count}));
                }
            }
        }
        let manifest = json!({"transactionTime": moment(held.now), "request": "", "output": output, "error": []});
        Ok(Export::Ready(manifest.to_string().into_bytes()))
    }

    fn open(&self, address: &str) -> Result<Box<dyn Read + Send>, Refusal> {
        let mut held = self.held.lock().unwrap();
        held.meet(address)?;
        let (kind, part) = address.rsplit('/').next().unwrap().split_once('.').unwrap();
        let all = held.present(kind);
        let (first, second) = all.split_at(all.len() / 2);
        let lines = if part == "0" { first } else { second };
        let text: String = lines.iter().map(|one| format!("{}\n", one.resource.as_ref().unwrap())).collect();
        Ok(Box::new(std::io::Cursor::new(text.into_bytes())))
    }

    fn end_export(&self, _: &str) {
        self.held.lock().unwrap().exports = None;
    }

    fn quiet_hours(&self) -> Option<(i64, i64)> {
        None
    }
}
