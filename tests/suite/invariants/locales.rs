//! Every key that the program uses exists in every language, with the same variables, and there is no unused key.

use super::{files_below, project, read};
use postern::attachments::LookedAt;
use std::collections::{BTreeMap, BTreeSet};

/// Prefixes of keys that are composed of a prefix and a word.
const FAMILIES: &[&str] = &[
    "turn-",
    "emr-way-",
    "emr-step-",
    "emr-outcome-",
    "emr-without-",
    "emr-lacks-",
    "emr-fault-",
    "key-does-",
    "keys-at-",
    "weekday-",
    "promise-unit-",
    "many-state-",
    "many-by-",
    "many-road-",
    "many-now-",
    "many-stop-",
    "many-tab-",
    "many-tab-before-",
    "many-tab-stopped-",
    "many-why-",
    "many-named-",
    "many-guard-",
    "browse-span-",
    "demo-how-",
    "mail-look-",
    "mail-size-",
    "demo-step-",
    "inbox-from-",
    "relation-",
    "caregiver-is-",
    "caregiver-shut-",
    "inbox-order-",
    "switch-",
    "writing-",
    "archive-as-",
    "archived-as-",
    "archived-why-",
    "refused-",
    "suspect-",
    "guard-",
    "scan-",
    "js-",
    "template-replies-",
    "warn-",
    "actor-",
    "channel-",
    "code-",
    "category-",
    "csv-",
    "list-column-",
    "list-dates-",
    "error-advice-",
    "error-heading-",
    "event-",
    "kind-",
    "kind-one-",
    "sort-",
    "per-",
    "every-",
    "language-",
    "method-",
    "month-",
    "notice-",
    "notice-state-",
    "obstacle-",
    "reason-",
    "role-",
    "status-",
    "wrote-last-",
    "portal-error-",
    "filter-",
    "flag-",
    "label-",
    "scope-",
    "search-part-",
    "placeholder-",
    "wording-kind-",
    "not-sent-",
    "plan-step-",
    "plan-state-",
    "letter-holds-",
    "call-outcome-",
    "told-when-",
    "attention-",
    "passcode-by-",
    "tell-instead-",
    "id-kind-",
    "image-",
    "one-tap-",
    "browser-",
    "system-",
    "link-how-",
    "user-mail-",
    "provider-refused-",
    "line-message_waiting-",
    "line-recall-",
    "line-reminder-",
    "line-sent-",
    "line-state-",
    "line-states-",
    "sync-state-",
    "sync-why-",
    "sync-field-",
    "sync-rule-",
    "record-why-",
];

/// The variables of each key of a language.
fn messages(code: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut key = String::new();
    for line in read(&project(&format!("src/locales/{code}.ftl"))).lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            key = line.split_once('=').unwrap_or_else(|| panic!("{code}: {line}")).0.trim().to_owned();
            assert!(found.insert(key.clone(), BTreeSet::new()).is_none(), "{code}: {key} is there twice");
        }
        for rest in line.split('$').skip(1) {
            let name: String =
                rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_').collect();
            found.get_mut(&key).unwrap().insert(name);
        }
    }
    assert!(found.len() > 100, "{code} has {} messages", found.len());
    found
}

fn sources() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (folder, end) in [("src", ".rs"), ("templates", ".html")] {
        for file in files_below(&project(folder)).into_iter().filter(|file| file.ends_with(end)) {
            let name = format!("{folder}/{file}");
            all.push((name.clone(), read(&project(&name))));
        }
    }
    all
}

/// The texts between each `start` and the next `end`.
fn after<'s>(source: &'s str, start: &'s str, end: char) -> impl Iterator<Item = &'s str> {
    source.split(start).skip(1).map(move |rest| rest.split(end).next().unwrap())
}

#[test]
fn all_languages_say_the_same_things() {
    let english = messages("en");
    for file in files_below(&project("src/locales")) {
        let code = file.strip_suffix(".ftl").unwrap();
        let other = messages(code);
        let missing: Vec<_> = english.keys().filter(|key| !other.contains_key(*key)).collect();
        let foreign: Vec<_> = other.keys().filter(|key| !english.contains_key(*key)).collect();
        assert!(missing.is_empty() && foreign.is_empty(), "{code}: missing {missing:?}, unknown {foreign:?}");
        for (key, variables) in &english {
            assert_eq!(variables, &other[key], "{code}: the variables of {key}");
        }
        let lang = postern::text::Lang::find(code).unwrap();
        for (key, _) in other.iter().filter(|(_, variables)| variables.is_empty()) {
            // a message that cannot be parsed gives its key; those without variables are formatted when the program
            // starts
            assert!(lang.t(key) != key.as_str() || !key.contains('-'), "{code}: {key} can't be read");
        }
    }
}

/// As Quebec sets type (Office québécois de la langue française): no space before `;`, `!` and `?`, a no-break space
/// before `:` and inside « ». Only text messages keep the plain space: a no-break space is in no GSM-7 alphabet and
/// would halve what one message holds.
#[test]
fn french_is_set_as_quebec_sets_it() {
    let source = read(&project("src/locales/fr.ftl"));
    let wrong = |line: &str| {
        let (key, words) = line.split_once('=').unwrap_or(("", line));
        let tight = [" ;", " !", " ?", "\u{a0};", "\u{a0}!", "\u{a0}?", "« ", " »"];
        let text = key.starts_with("text-");
        let colon = words.contains(if text { "\u{a0}" } else { " :" });
        !line.starts_with('#') && (colon || tight.iter().any(|space| words.contains(space)))
    };
    let wrong: Vec<&str> = source.lines().filter(|line| wrong(line)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_key_that_is_asked_for_is_there() {
    let english = messages("en");
    let mut missing = BTreeSet::new();
    for (file, source) in sources().iter().filter(|(file, _)| !file.starts_with("src/text/")) {
        let mut need = |key: &str| {
            if !english.contains_key(key) {
                missing.insert(format!("{file}: {key}"));
            }
        };
        for call in [".t(\"", ".t1(\"", ".t2(\""] {
            after(source, call, '"').for_each(&mut need);
        }
        for word in after(source, "?notice=", '"') {
            let word: String = word.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            if !word.is_empty() {
                need(&format!("notice-{word}"));
            }
        }
        for literal in source.split('"') {
            let is_word = literal.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            let is_key = ["error-", "told-", "portal-error-"].iter().any(|start| literal.starts_with(start));
            if file.starts_with("src/")
                && is_word
                && is_key
                && !["error-heading", "error-advice", "told-when"].contains(&literal)
            {
                need(literal);
            }
        }
        for call in ["fields::input(", "fields::area(", "fields::on_off("] {
            for arguments in after(source, call, ')') {
                let words: Vec<&str> = arguments.split('"').skip(1).step_by(2).collect();
                // a label put together from a family's prefix and a word is looked up with its family, below
                words.get(1).into_iter().for_each(|key| need(key));
            }
        }
    }
    use postern::chart::import::fhir::SkipReason;
    use postern::notifications::templates::{Kind, Placeholder};
    use postern::notifications::{PlanKind, StepState};
    use postern::threads::Attention;
    use postern::{access::Role, audit::Event, delivery::Channel, delivery::Reason, notifications::Obstacle};
    let words = |prefix: &str, words: Vec<&str>| words.iter().map(|w| format!("{prefix}-{w}")).collect::<Vec<_>>();
    let families = [
        words("role", Role::ALL.iter().map(|w| w.as_str()).collect()),
        words("event", Event::ALL.iter().map(|w| w.as_str()).collect()),
        words("channel", Channel::ALL.iter().map(|w| w.as_str()).collect()),
        words("reason", Reason::ALL.iter().map(|w| w.as_str()).collect()),
        words("obstacle", Obstacle::ALL.iter().map(|w| w.as_str()).collect()),
        words("notice-state", postern::notifications::State::ALL.iter().map(|w| w.as_str()).collect()),
        words("wording-kind", Kind::ALL.iter().map(|w| w.as_str()).collect()),
        words("placeholder", Placeholder::ALL.iter().map(|w| w.as_str()).collect()),
        words("suspect", postern::patients::NamedBy::ALL.iter().map(|w| w.as_str()).collect()),
        words("guard", LookedAt::ALL.iter().filter(|w| w.is_news()).map(|w| w.as_str()).collect()),
        words("refused", postern::attachments::Refusal::ALL.iter().map(|w| w.as_str()).collect()),
        words("scan", postern::storage::Scan::ALL.iter().map(|w| w.as_str()).collect()),
        words("sync-why", SkipReason::ALL.iter().map(|w| w.as_str()).chain(["not_readable"]).collect()),
        words("sync-field", postern::sync::Field::ALL.iter().map(|w| w.as_str()).collect()),
        words("sync-rule", postern::sync::Rule::ALL.iter().map(|w| w.as_str()).collect()),
        words("sync-state", postern::sync::Trouble::ALL.iter().map(|w| w.as_str()).collect()),
        words("sync-state", vec!["never", "off", "reading_all", "reading", "asked", "waiting", "partly", "up_to_date"]),
        words("attention", Attention::ALL.iter().map(|w| w.as_str()).collect()),
        words("plan-step", PlanKind::ALL.iter().map(|w| w.as_str()).collect()),
        words("not-sent", postern::conversations::NotSent::ALL.iter().map(|w| w.as_str()).collect()),
        words("call-outcome", postern::notifications::Outcome::ALL.iter().map(|w| w.as_str()).collect()),
        words("many-state", postern::broadcasts::State::ALL.iter().map(|w| w.as_str()).collect()),
        words("many-now", postern::broadcasts::State::ALL.iter().map(|w| w.as_str()).collect()),
        words("many-stop", postern::broadcasts::StopReason::ALL.iter().map(|w| w.as_str()).collect()),
        words("many-why", postern::broadcasts::Why::ALL.iter().map(|w| w.as_str()).collect()),
        words("many-named", postern::patients::NamedBy::ALL.iter().map(|w| w.as_str()).collect()),
        words("many-guard", LookedAt::ALL.iter().filter(|w| w.is_news()).map(|w| w.as_str()).collect()),
        words("many-by", postern::broadcasts::Roads::ALL.iter().map(|w| w.as_str()).collect()),
        words("many-road", postern::broadcasts::Roads::ALL.iter().map(|w| w.as_str()).collect()),
        words("many-tab", postern::broadcasts::Fate::ALL.iter().map(|w| w.as_str()).collect()),
        words("many-tab-before", postern::broadcasts::Fate::ALL.iter().map(|w| w.as_str()).collect()),
        words("many-tab-stopped", postern::broadcasts::Fate::ALL.iter().map(|w| w.as_str()).collect()),
        words("record-why", postern::write_back::Why::ALL.iter().map(|w| w.as_str()).collect()),
        words("emr-step", postern::emr_sources::Step::ALL.iter().map(|w| w.as_str()).collect()),
        words("emr-fault", postern::emr::Fault::ALL.iter().map(|w| w.as_str()).collect()),
        words("emr-lacks", postern::emr::NEEDED.iter().chain(&postern::emr::WRITTEN).map(|need| need.part).collect()),
        words("emr-outcome", vec!["good", "unsaid", "lacking", "without", "failed", "skipped"]),
        words("emr-without", vec!["removals", "export"]),
        words("emr-way", vec!["key", "bearer", "basic"]),
        words("plan-state", StepState::ALL.iter().map(|w| w.as_str()).collect()),
        words("told-when", postern::users::ReplyMails::ALL.iter().map(|w| w.as_str()).collect()),
        words("key-does", postern::http::keys::Deed::ALL.iter().map(|w| w.as_str()).collect()),
        words("keys-at", postern::http::keys::Place::ALL.iter().map(|w| w.as_str()).collect()),
        words("tell-instead", Channel::ALL.iter().map(|w| w.as_str()).collect()),
        words("filter", postern::conversations::InboxFilter::ALL.iter().map(|w| w.as_str()).collect()),
        words("one-tap", postern::conversations::OneTap::ALL.iter().map(|w| w.as_str()).collect()),
        words("relation", postern::caregivers::Relation::ALL.iter().map(|w| w.as_str()).collect()),
        words("id-kind", postern::patients::IdKind::ALL.iter().map(|w| w.as_str()).collect()),
        words("method", postern::patients::Method::ALL.iter().map(|w| w.as_str()).collect()),
        words(
            "error-heading",
            vec![
                "400", "403", "404", "409", "410", "413", "415", "429", "500", "503", "507", "missing", "late", "role",
            ],
        ),
        words(
            "error-advice",
            vec![
                "400", "403", "404", "409", "410", "413", "415", "429", "500", "503", "507", "missing", "late", "role",
            ],
        ),
        words("warn", postern::notifications::Warning::ALL.iter().map(|w| w.as_str()).collect()),
        words("template-replies", postern::message_templates::Replies::ALL.iter().map(|w| w.as_str()).collect()),
        words("js", postern::http::strings::ALL.iter().flat_map(|(_, group)| group.iter().copied()).collect()),
        words("weekday", vec!["1", "2", "3", "4", "5", "6", "7"]),
        words("weekday-short", vec!["1", "2", "3", "4", "5", "6", "7"]),
        words("promise-unit", vec!["off", "hours", "days"]),
        words("month", vec!["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"]),
    ];
    for key in families.into_iter().flatten().filter(|key| !english.contains_key(key)) {
        missing.insert(key);
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn no_key_is_left_over() {
    let all = sources();
    let used: BTreeSet<&str> = all.iter().flat_map(|(_, source)| source.split('"')).collect();
    let left: Vec<String> = messages("en")
        .into_keys()
        .filter(|key| !used.contains(key.as_str()) && !FAMILIES.iter().any(|family| key.starts_with(family)))
        .collect();
    assert!(left.is_empty(), "{left:#?}");
}

/// Jargon, calques and second words for one thing: readers stumbled over each of them.
const BANNED: &[(&str, &[&str])] = &[
    (
        "en",
        &[
            "prove who you are",
            "no link at hand",
            "nobody reads it",
            "not yours to see",
            "go on writing",
            "empty: our own words",
            "all the same",
            "is being told",
            "log-in",
            "please note",
            "utilize",
            "e-mail",
            "invalid",
            "illegal",
            "abort",
        ],
    ),
    (
        "fr",
        &[
            "prouvez",
            "a sur vous",
            "mot de passe, encore une fois",
            "est de retour",
            "personne ne le lit",
            "d’un seul geste",
            "vraie date",
            "message texte",
            "façon d’aviser",
            "e-mail",
            "sms",
            "adresser un ticket",
            "login",
            "mot de passe oublié ?",
            "supporter",
            "canceller",
            "librairie",
        ],
    ),
];

#[test]
fn no_word_is_used_that_people_stumble_over() {
    let mut found = Vec::new();
    for (code, banned) in BANNED {
        let path = format!("src/locales/{code}.ftl");
        for (number, line) in read(&project(&path)).lines().enumerate() {
            // a text goes on in lines that are indented
            let said = match line.split_once(" = ") {
                Some((_, said)) => said.to_lowercase(),
                None if line.starts_with(' ') => line.to_lowercase(),
                None => continue,
            };
            found.extend(
                banned.iter().filter(|word| said.contains(**word)).map(|word| format!("{path}:{}: {word}", number + 1)),
            );
        }
    }
    assert!(found.is_empty(), "say it otherwise:\n{}", found.join("\n"));
}
