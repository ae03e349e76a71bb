//! Every word in both languages; none missing, none left over.

use super::{files_below, project, read};
use postern::text::Lang;
use std::collections::{BTreeMap, BTreeSet};

/// Keys by family: `shell.of("role", …)` and the like put them together.
const FAMILIES: [&str; 22] = [
    "month-",
    "language-",
    "channel-",
    "role-",
    "scope-",
    "filter-",
    "wrote-last-",
    "status-",
    "notice-",
    "reason-",
    "method-",
    "kind-",
    "flag-",
    "obstacle-",
    "event-",
    "actor-",
    "label-",
    "error-heading-",
    "error-advice-",
    "portal-error-",
    "told-",
    "format-",
];

/// Each key with the variables that its message takes.
fn messages(file: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut key = String::new();
    for line in read(&project(&format!("src/locales/{file}"))).lines() {
        if let Some((name, _)) = line.split_once(" =").filter(|_| line.starts_with(|c: char| c.is_ascii_lowercase())) {
            key = name.to_owned();
            assert!(found.insert(key.clone(), BTreeSet::new()).is_none(), "{file}: {key} is there twice");
        }
        for variable in line.split("{ $").skip(1) {
            let name: String = variable.chars().take_while(|c| c.is_alphanumeric()).collect();
            found.get_mut(&key).unwrap().insert(name);
        }
    }
    assert!(found.len() > 200);
    found
}

#[test]
fn all_languages_say_the_same_things() {
    let english = messages("en.ftl");
    for lang in Lang::all().filter(|lang| lang.code() != "en") {
        let theirs = messages(&format!("{}.ftl", lang.code()));
        for key in english.keys().chain(theirs.keys()) {
            assert_eq!(english.get(key), theirs.get(key), "{key} in {}", lang.code());
        }
    }
}

#[test]
fn no_message_is_missing_or_left_over() {
    let mut sources = String::new();
    for folder in ["src", "templates"] {
        for file in files_below(&project(folder)).iter().filter(|f| f.ends_with(".rs") || f.ends_with(".html")) {
            sources += &read(&project(folder).join(file));
        }
    }
    let keys = messages("en.ftl");
    let quoted: BTreeSet<&str> = sources.split('"').collect();
    for key in keys.keys() {
        let family = FAMILIES.iter().any(|family| key.starts_with(family));
        assert!(family || quoted.contains(key.as_str()), "{key} is used nowhere");
    }
    for call in ["t(\"", "t1(\"", "t2(\"", "with(\""] {
        for (before, rest) in sources.split(call).zip(sources.split(call).skip(1)) {
            let key = rest.split('"').next().unwrap();
            let ours = before.ends_with(['.', '(']) || before.ends_with("shell.") || before.ends_with("lang.");
            let is_key = !key.is_empty()
                && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c));
            if ours
                && is_key
                && before.ends_with('.')
                && (before.ends_with("shell.") || before.ends_with("lang.") || before.ends_with("self."))
            {
                assert!(keys.contains_key(key), "{key} is in no language");
            }
        }
    }
}

#[test]
fn every_word_of_ours_is_translated() {
    use postern::{access, audit, chart, conversations as c, delivery, notifications as n};
    let keys = messages("en.ftl");
    let mut wanted: Vec<String> = Vec::new();
    let mut family =
        |prefix: &str, words: Vec<&'static str>| wanted.extend(words.iter().map(|word| format!("{prefix}-{word}")));
    family("role", access::Role::ALL.iter().map(|w| w.as_str()).collect());
    family("event", audit::Event::ALL.iter().map(|w| w.as_str()).collect());
    family("actor", audit::ActorKind::ALL.iter().map(|w| w.as_str()).collect());
    family("kind", chart::ItemKind::ALL.iter().map(|w| w.as_str()).collect());
    family("kind-one", chart::ItemKind::ALL.iter().map(|w| w.as_str()).collect());
    family("label", chart::Label::ALL.iter().map(|w| w.as_str()).collect());
    family("method", chart::Method::ALL.iter().map(|w| w.as_str()).collect());
    family("scope", c::Scope::ALL.iter().map(|w| w.as_str()).collect());
    family("filter", c::InboxFilter::ALL.iter().map(|w| w.as_str()).collect());
    family("status", c::Status::ALL.iter().map(|w| w.as_str()).collect());
    family("wrote-last", c::Author::ALL.iter().map(|w| w.as_str()).collect());
    family("channel", delivery::Channel::ALL.iter().map(|w| w.as_str()).collect());
    family("reason", delivery::Reason::ALL.iter().map(|w| w.as_str()).collect());
    family("notice-state", n::State::ALL.iter().map(|w| w.as_str()).collect());
    family("obstacle", n::Obstacle::ALL.iter().map(|w| w.as_str()).collect());
    for key in wanted {
        assert!(keys.contains_key(&key), "{key} is in no language");
    }
}
