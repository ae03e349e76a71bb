//! static/dist is what src/web builds. This needs no node: the manifest has the hash of every source ("in") and of
//! every product ("out"). `npm run check` proves that the build gives the same again.

use super::{files_below, project, read};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

#[test]
fn the_manifest_fits_sources_and_products() {
    let manifest = read(&project("static/dist/manifest.txt"));
    let mut wanted: BTreeMap<(String, String), &str> = BTreeMap::new();
    for line in manifest.lines() {
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some(kind @ ("in" | "out")), Some(hash), Some(name)) => {
                wanted.insert((kind.to_owned(), name.to_owned()), hash)
            }
            _ => panic!("static/dist/manifest.txt: {line}"),
        };
    }
    let mut stale = Vec::new();
    for (kind, folder) in [("in", "src/web"), ("out", "static/dist")] {
        for file in files_below(&project(folder)).iter().filter(|f| *f != "manifest.txt") {
            let hash =
                data_encoding::HEXLOWER.encode(&Sha256::digest(std::fs::read(project(folder).join(file)).unwrap()));
            match wanted.remove(&(kind.to_owned(), file.clone())) {
                Some(wanted) if wanted == hash => {}
                Some(_) => stale.push(format!("{folder}/{file} has changed")),
                None => stale.push(format!("{folder}/{file} is new")),
            }
        }
    }
    stale.extend(wanted.keys().map(|(kind, name)| format!("{name} ({kind}) is gone")));
    assert!(stale.is_empty(), "run `npm --prefix src/web run build`:\n{}", stale.join("\n"));
}
