//! docs/settings.md lists the keys that the program knows, with their defaults: no more, no fewer.

use super::{project, read};
use postern::config::KEYS;
use std::collections::BTreeMap;

/// Key and default of each row; several keys may share one.
fn told() -> BTreeMap<String, String> {
    let page = read(&project("docs/settings.md"));
    let mut told = BTreeMap::new();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let keys = cells[1].split('`').skip(1).step_by(2);
        let defaults: Vec<&str> = cells[2].split(", ").collect();
        for (n, key) in keys.enumerate() {
            let default = defaults.get(n).or(defaults.last()).unwrap();
            told.insert(key.to_owned(), default.trim_matches('`').to_owned());
        }
    }
    assert!(told.len() > 20);
    told
}

#[test]
fn every_key_is_told_and_every_told_key_is_one() {
    let told = told();
    let known: BTreeMap<String, String> =
        KEYS.iter().map(|(key, default, _)| ((*key).to_owned(), (*default).to_owned())).collect();
    let untold: Vec<&String> = known.keys().filter(|key| !told.contains_key(*key)).collect();
    let unknown: Vec<&String> = told.keys().filter(|key| !known.contains_key(*key)).collect();
    assert!(untold.is_empty() && unknown.is_empty(), "not told: {untold:?}; not known: {unknown:?}");
}

#[test]
fn the_defaults_are_those_of_the_program() {
    let told = told();
    let wrong: Vec<String> = KEYS
        .iter()
        .filter(|(key, default, _)| {
            let told = told.get(*key).map(String::as_str).unwrap_or_default();
            // for the list of endings the page describes what they are
            *key != "attachments.types"
                && told != *default
                && !(default.is_empty() && ["none", "required"].contains(&told))
        })
        .map(|(key, default, _)| format!("{key}: {default:?}, told as {:?}", told.get(*key)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
